"""A command's connection to the database, and the explanation of its errors."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

import asyncpg

from cli.output import Exit, fail
from cli.stacks import DATABASE_URL
from shared.database.pool import SAFE_SETTINGS, connect
from shared.runtime.settings import DatabaseAccess

CONNECT_TIMEOUT_SECONDS = 10
CLOSE_TIMEOUT_SECONDS = 3
REFUSED = (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)
OUTDATED = (
    asyncpg.UndefinedFunctionError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.InvalidSchemaNameError,
)
UNAVAILABLE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
T = TypeVar("T")


@asynccontextmanager
async def open_connection(access: DatabaseAccess, name: str) -> AsyncIterator[asyncpg.Connection]:
    """Open a connection, which the server lists as `name`."""
    options = {"application_name": name, **SAFE_SETTINGS}
    url, password, timeout = access.database_url, access.database_secret, CONNECT_TIMEOUT_SECONDS
    connection = await connect(url, password=password, timeout=timeout, server_settings=options)
    try:
        yield connection
    finally:
        await connection.close(timeout=CLOSE_TIMEOUT_SECONDS)  # else Ctrl-C waits for a server that is frozen


def run_on_database(
    settings: DatabaseAccess, name: str, work: Callable[[asyncpg.Connection], Awaitable[T]], *, role: str
) -> T:
    """Return the result of `work`; ends the command if the database is unavailable or refuses, and names the role."""

    async def run() -> T:
        async with open_connection(settings, name) as connection:
            return await work(connection)

    with explain_errors(role):
        return asyncio.run(run())


@contextmanager
def explain_errors(role: str) -> Iterator[None]:
    """End the command with status 4 if the database cannot be reached or refuses; `role` names the right one.

    An argument that the database cannot take ends it with status 2. A closed output is not the database's.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except REFUSED:
        advice = f"Check {DATABASE_URL} and its password, then `kreisfunk migrate`."
        fail("The database refuses this role.", advice, Exit.UNAVAILABLE)
    except OUTDATED:
        fail("The database does not belong to this version.", "Run `kreisfunk migrate`.", Exit.UNAVAILABLE)
    except asyncpg.InsufficientPrivilegeError:
        fail("This role may not do that.", f"Use {role}.", Exit.UNAVAILABLE)
    except UNAVAILABLE as error:
        if type(error) is asyncpg.DataError:  # the driver's, about an argument; the server's are of subclasses
            advice = "Is a number too large, or a text not UTF-8, for example from a terminal with another encoding?"
            fail("The database does not accept one of the arguments.", advice, Exit.USAGE)
        advice = "Is PostgreSQL up, with space on its disk, open for writing, and are host, port and name right?"
        fail(f"Database: {type(error).__name__}", advice, Exit.UNAVAILABLE)

"""One command's session with the ledger, and the explanation of its errors."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import asyncpg
import msgspec
import typer

from cli.operate.settings import Settings, read_operator_settings
from cli.output import EXIT_REJECTED, EXIT_UNAVAILABLE, EXIT_USAGE, console, fail, say
from cli.stacks import DATABASE_URL, find_stack
from shared.database.connecting import connect
from shared.database.pool import SAFE_SETTINGS

CONNECT_TIMEOUT_SECONDS = 10
T = TypeVar("T")

Stack = Annotated[
    Path | None,
    typer.Option(help="Folder of a local stack; else KREISFUNK_DATABASE_URL, else .local/up or .local/demo."),
]
Reason = Annotated[str, typer.Option(help="For the record, and for whoever wonders later.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask, although somebody may get a message twice.")]


def run_on_ledger(stack: Path | None, ask: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    """Return the result of `ask` with the operator's role; ends the command if the ledger cannot be reached."""
    settings = read_operator_settings(find_stack(stack, os.environ, DATABASE_URL), os.environ)
    try:
        return asyncio.run(_run_with_connection(settings, ask))
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError):
        fail(
            "The database refuses this role.",
            f"Check {DATABASE_URL} and its password, then `kreisfunk migrate`.",
            EXIT_UNAVAILABLE,
        )
    except (asyncpg.UndefinedFunctionError, asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        fail("The ledger is not that of this version.", "Run `kreisfunk migrate`.", EXIT_UNAVAILABLE)
    except asyncpg.InsufficientPrivilegeError:
        fail("This role may not do that.", "Use the role kreisfunk_operator.", EXIT_UNAVAILABLE)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        fail(
            f"Database: {type(error).__name__}",
            "Is PostgreSQL up, and are host, port and name right?",
            EXIT_UNAVAILABLE,
        )


async def _run_with_connection(settings: Settings, ask: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    connection = await connect(
        settings.database_url,
        password=settings.database_secret,
        timeout=CONNECT_TIMEOUT_SECONDS,
        server_settings={"application_name": "operate", **SAFE_SETTINGS},
    )
    try:
        return await ask(connection)
    finally:
        await connection.close()


def print_result(as_object: Any, as_text: str, *, json: bool) -> None:
    """Print one JSON object for scripts, or text for people."""
    say(msgspec.json.encode(as_object).decode() if json else as_text)


def refuse(problem: str, advice: str = "") -> NoReturn:
    """End the command, as the request does not fit the present state; nothing was changed."""
    fail(problem, advice, EXIT_REJECTED)


def warn_of_duplicates(count: str, *, yes: bool) -> None:
    """Ask for confirmation before somebody may get a message twice; without a terminal, `--yes` is required."""
    console.print(
        f"{count}: Meta may have taken these messages although no answer came. Whoever has got one gets it twice.",
        style="yellow",
        markup=False,
    )
    if yes:
        return
    if not console.is_terminal:
        fail("Nothing was changed.", "Say --yes if that is what you want.", EXIT_USAGE)
    typer.confirm("Send them again?", abort=True, err=True)

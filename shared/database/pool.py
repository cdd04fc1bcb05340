"""A pool of connections that reports a database that is away as what it is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from shared.outcome import DependencyUnavailable, InvalidDataError

COMMAND_TIMEOUT_SECONDS = 10.0
ACQUIRE_TIMEOUT_SECONDS = 5.0
# PostgreSQL 18.6 looks at a row anew that was changed before it could be locked, and then chooses partitions by memory
# that it has freed: rows are missed, or it crashes. Without a choice an index of each partition is looked at.
SAFE_SETTINGS = {"timezone": "UTC", "enable_partition_pruning": "off"}
# A process that is frozen in the middle of a transaction must not keep its locks, and nobody waits for them for ever.
SERVER_SETTINGS = {**SAFE_SETTINGS, "idle_in_transaction_session_timeout": "2s", "lock_timeout": "5s"}

Connection = PoolConnectionProxy
_UNAVAILABLE_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what a connection says that died in the middle of an operation
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
_INVALID_DATA_ERRORS = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError)


class DatabaseUnavailable(DependencyUnavailable):
    """PostgreSQL cannot be reached or refuses just now. Repeat the whole transaction."""


def _translate(error: BaseException) -> None:
    """Raise what the error means to us, if it is one of the database's."""
    if isinstance(error, _INVALID_DATA_ERRORS):
        raise InvalidDataError(f"database: {type(error).__name__}") from None
    if isinstance(error, _UNAVAILABLE_ERRORS):
        if isinstance(error, ValueError):  # the driver's own refusal of an argument is an InterfaceError, too
            raise InvalidDataError(f"driver: {type(error).__name__}") from None
        raise DatabaseUnavailable(f"database: {type(error).__name__}") from None


class _Loan:
    """A connection for the length of a block. As a generator it would cost half as much as a statement."""

    def __init__(self, database: "Database") -> None:
        self._database = database

    async def __aenter__(self) -> Connection:
        try:
            self._connection = await self._database.lend()
        except Exception as error:
            _translate(error)
            raise
        return self._connection

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        try:
            await self._database.take_back(self._connection, whole=error is None)
        except Exception as failed:
            _translate(failed)
            raise
        if error:
            _translate(error)


class Database:
    """Short transactions on pooled connections. Never call the outside world inside one.

    Every method raises DatabaseUnavailable, and InvalidDataError for a value that the database refuses.
    """

    def __init__(self, pool: asyncpg.Pool, size: int) -> None:
        self._pool = pool
        self._free = asyncio.Semaphore(size)
        self._idle: list[Connection] = []

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """A connection for single statements."""
        return _Loan(self)

    async def lend(self) -> Connection:
        """Return a connection that nobody else has, until `take_back`."""
        if self._free.locked():
            async with asyncio.timeout(ACQUIRE_TIMEOUT_SECONDS):
                await self._free.acquire()
        else:
            await self._free.acquire()
        try:
            return await self._take()
        except BaseException:
            self._free.release()
            raise

    async def take_back(self, connection: Connection, *, whole: bool) -> None:
        """Keep it for the next one; what failed in the middle goes back to the pool, which looks after it."""
        try:
            if whole:
                self._idle.append(connection)
            else:
                await self._pool.release(connection)
        finally:
            self._free.release()

    async def _take(self) -> Connection:
        """The one used last, without the tasks and timers that the pool spends on each use, else one of the pool's."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            await self._pool.release(connection)
        return await self._pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Connection]:
        """A connection that may take locks of its session: they end with the block."""
        async with self.connection() as connection:
            try:
                yield connection
            finally:
                await _unlock(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A transaction, committed at the end of the block."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """The rows of one statement."""
        async with self.connection() as connection:
            return await connection.fetch(statement, *arguments)

    async def fetchrow(self, statement: str, *arguments: object) -> asyncpg.Record:
        """The row of a statement that always has one."""
        (row,) = await self.fetch(statement, *arguments)
        return row

    async def fetchval(self, statement: str, *arguments: object) -> Any:
        """The first value of a statement, None without a row; also for a statement that has none."""
        async with self.connection() as connection:
            return await connection.fetchval(statement, *arguments)

    async def is_reachable(self) -> bool:
        """For readiness."""
        async with self.connection() as connection:
            return await connection.fetchval("select true") is True


async def _unlock(connection: Connection) -> None:
    """A session that cannot be asked to let go is ended: its locks would keep everybody else out."""
    try:
        await connection.execute("select pg_advisory_unlock_all()")
    except BaseException:
        connection.terminate()
        raise


async def _skip_reset(_: object) -> None:
    """No statement changes a session but in `session`, so a connection goes back as it came: one round trip less."""


@asynccontextmanager
async def open_database(url: str, *, password: str | None, name: str, size: int) -> AsyncIterator[Database]:
    """At most `size` connections, shown as `name` in pg_stat_activity. Raises DatabaseUnavailable at the start."""
    try:
        pool = await asyncpg.create_pool(
            url,
            password=password,
            min_size=0,  # a floor would be repaired in the background, and fail there while the database is away
            max_size=size,
            command_timeout=COMMAND_TIMEOUT_SECONDS,
            reset=_skip_reset,
            server_settings={"application_name": name, **SERVER_SETTINGS},
        )
    except Exception as error:
        _translate(error)
        raise
    try:
        yield Database(pool, size)
    finally:
        pool.terminate()

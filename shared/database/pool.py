"""Connections to the server that accepts writes, and a pool that translates the driver's errors."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from shared.outcome import DependencyUnavailable, InvalidDataError
from shared.runtime.hosts import split_hosts

# A server whose machine is down does not refuse: the next one has to be tried while the caller still waits.
HOST_TIMEOUT_SECONDS = 1.5
_TRY_NEXT_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # starting, or shutting down
    asyncpg.TargetServerAttributeNotMatched,  # a standby
)


class UncancelledConnection(asyncpg.Connection):
    """Connection that is closed where asyncpg would cancel its statement, after a timeout or a task's cancellation.

    PostgreSQL commits a transaction locally and then waits for a standby. If that wait is cancelled, the transaction
    becomes visible although no standby has it, and others may rely on data that a failover loses. On a closed
    connection the server ends statements itself (`client_connection_check_interval`), but not that wait.
    """

    def _cancel_current_command(self, *_: object) -> None:
        asyncio.get_running_loop().call_soon(self.terminate)


class NoServerAcceptsWritesError(ConnectionError):
    """Standbys only, or a database that is read-only. Its name is what people are told."""


async def connect(url: str, **options: Any) -> asyncpg.Connection:
    """Connect like asyncpg, to the server in `url` that accepts writes.

    Raises NoServerAcceptsWritesError if none does, else whatever asyncpg raises.
    """
    *others, last = split_hosts(url)
    options |= {"target_session_attrs": "read-write"}
    for host in others:
        with suppress(*_TRY_NEXT_ERRORS):
            async with asyncio.timeout(HOST_TIMEOUT_SECONDS):
                return await asyncpg.connect(host, **options)
    try:
        return await asyncpg.connect(last, **options)
    except asyncpg.TargetServerAttributeNotMatched:
        raise NoServerAcceptsWritesError from None


COMMAND_TIMEOUT_SECONDS = 10.0
ACQUIRE_TIMEOUT_SECONDS = 5.0
# PostgreSQL 18.6 rechecks a row that was changed before it could be locked, and then prunes partitions by memory that
# it has freed: it misses rows or crashes. Without pruning, an index of each partition is searched.
SAFE_SETTINGS = {"timezone": "UTC", "enable_partition_pruning": "off"}
# A frozen or dead process must not keep its locks, and no statement may wait for a lock forever.
SERVER_SETTINGS = {
    **SAFE_SETTINGS,
    "idle_in_transaction_session_timeout": "2s",
    "lock_timeout": "5s",
    "client_connection_check_interval": "1s",  # ends a statement whose caller has gone away
    "tcp_user_timeout": "15s",  # and one whose caller's machine does not accept the answer
    "tcp_keepalives_idle": "5s",
    "tcp_keepalives_interval": "5s",
}
_BEGIN_SESSION = "set idle_session_timeout = '10s'"
_END_SESSION = "select pg_advisory_unlock_all(); reset idle_session_timeout"

Connection = PoolConnectionProxy
# On connecting: an administrator has closed the database, to everybody or to us.
_CLOSED_ERRORS = (asyncpg.ObjectNotInPrerequisiteStateError, asyncpg.InsufficientPrivilegeError)
_UNAVAILABLE_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # raised by a connection that died during an operation
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,  # a temporary disk failure, unlike a damaged page
    asyncpg.InvalidCatalogNameError,  # a database that is being restored
    asyncpg.InvalidAuthorizationSpecificationError,  # a password that is being changed on both sides
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.LockNotAvailableError,
    asyncpg.InvalidCachedStatementError,  # a newer version has added a column; the next attempt prepares anew
    asyncpg.IdleInTransactionSessionTimeoutError,
)
_INVALID_DATA_ERRORS = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError)


class DatabaseUnavailable(DependencyUnavailable):
    """PostgreSQL is unreachable, or refuses for now. Repeat the whole transaction."""


def _translate(error: BaseException) -> None:
    """Raise our error for one of the driver's; return for any other."""
    if isinstance(error, _INVALID_DATA_ERRORS):
        raise InvalidDataError(f"database: {type(error).__name__}") from None
    if isinstance(error, _UNAVAILABLE_ERRORS):
        if isinstance(error, ValueError):  # a refused argument, also an InterfaceError
            raise InvalidDataError(f"driver: {type(error).__name__}") from None
        raise DatabaseUnavailable(f"database: {type(error).__name__}") from None


class _HeldConnection:
    """Connection held during a block. As a generator it would cost half as much time as a statement."""

    def __init__(self, database: "Database") -> None:
        self._database = database

    async def __aenter__(self) -> Connection:
        try:
            self._connection = await self._database.acquire()
        except _CLOSED_ERRORS as error:
            raise DatabaseUnavailable(f"database: {type(error).__name__}") from None
        except Exception as error:
            _translate(error)
            raise
        return self._connection

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
            self._connection.terminate()  # this server has become a standby, and another one accepts writes
        try:
            await self._database.release(self._connection, intact=error is None)
        except Exception as release_error:
            if error is None:  # else it would hide the error of the block, such as a cancellation
                _translate(release_error)
                raise
        if error:
            _translate(error)


class Database:
    """Short transactions on pooled connections. Never call external services inside one.

    Every method raises DatabaseUnavailable, and InvalidDataError for a value that the database refuses.
    """

    def __init__(self, pool: asyncpg.Pool, size: int) -> None:
        self._pool = pool
        self._free = asyncio.Semaphore(size)
        self._idle: list[Connection] = []
        self._answers = 0

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        return _HeldConnection(self)

    async def acquire(self) -> Connection:
        """Return a connection for exclusive use until `release`."""
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

    async def release(self, connection: Connection, *, intact: bool) -> None:
        """Keep an `intact` connection for the next caller; return any other to the pool, which resets or closes it."""
        try:
            if intact:
                self._answers += 1
                self._idle.append(connection)
            else:
                await self._pool.release(connection)
        finally:
            self._free.release()

    async def _take(self) -> Connection:
        """Return the connection used last, avoiding the pool's tasks and timers, else one from the pool."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            await self._pool.release(connection)
        return await self._pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Connection]:
        """Yield a connection that may take session locks, which are released when the block ends.

        The server closes a session that is idle for ten seconds, as its process may be frozen or dead.
        """
        async with self.connection() as connection:
            try:
                await connection.execute(_BEGIN_SESSION)
                yield connection
            finally:
                await _unlock(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Yield a connection in a transaction that is committed at the end of the block."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        async with self.connection() as connection:
            return await connection.fetch(statement, *arguments)

    async def fetchrow(self, statement: str, *arguments: object) -> asyncpg.Record:
        """Return the row of a statement that always has exactly one."""
        (row,) = await self.fetch(statement, *arguments)
        return row

    async def fetchval(self, statement: str, *arguments: object) -> Any:
        """Return the first value of a statement; None if it returns no row."""
        async with self.connection() as connection:
            return await connection.fetchval(statement, *arguments)

    async def is_reachable(self) -> bool:
        """Return whether the database answers; for readiness."""
        async with self.connection() as connection:
            return await connection.fetchval("select true") is True

    async def is_answering(self) -> bool:
        """Return whether the database answers this question, or others while all connections are in use."""
        answers = self._answers
        try:
            return await self.is_reachable()
        except DatabaseUnavailable:
            return self._answers > answers


async def _unlock(connection: Connection) -> None:
    """Release all session locks; if that fails, terminate the session, since its locks would block all others."""
    try:
        await connection.execute(_END_SESSION)
    except BaseException:
        connection.terminate()
        raise


async def _skip_reset(_: object) -> None:
    """Skip the reset of a returned connection, which saves a round trip: only `session` changes session state."""


@asynccontextmanager
async def open_database(url: str, *, password: str | None, name: str, size: int) -> AsyncIterator[Database]:
    """Open a pool of at most `size` connections, shown as `name` in pg_stat_activity; connect when one is needed."""
    pool = await asyncpg.create_pool(
        url,
        password=password,
        min_size=0,  # a minimum would be restored in the background, where it fails during an outage
        max_size=size,
        command_timeout=COMMAND_TIMEOUT_SECONDS,
        connect=lambda *_, **options: connect(url, **options),
        connection_class=UncancelledConnection,
        reset=_skip_reset,
        server_settings={"application_name": name, **SERVER_SETTINGS},
    )
    try:
        yield Database(pool, size)
    finally:
        pool.terminate()

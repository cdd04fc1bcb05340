"""Operations on a database, two at once or one that is cut off: as one after the other, and as if nothing had happened.

They stop after each statement, before its commit, and after each commit. A statement that waited for a row goes on with
what the other transaction has left (PostgreSQL's manual, "Read Committed"), so conditions checked before may no longer
hold. Whoever is cut off after a commit does not know of it.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import asyncpg

from shared.database.pool import SAFE_SETTINGS, DatabaseUnavailable
from tests.databases import FreshDatabase
from tests.servers import connect_to_database

Stop = Callable[[], Awaitable[None]]
ReadRows = Callable[[asyncpg.Connection, str], Awaitable[Sequence[Mapping[str, Any]]]]

_TABLES = """
select format('%I.%I', nspname, relname) from pg_class join pg_namespace n on n.oid = relnamespace
where nspname = $1 and relkind in ('r', 'p') and not relispartition and relname <> 'schema_migrations' order by 1
"""
_RESET = "delete from {table}; insert into {table} overriding system value select * from {copy}"
_ROWS = "select to_jsonb(t) as row from {} t"
_IS_WAITING = "select cardinality(pg_blocking_pids($1)) > 0"
_TIME = re.compile(r"\"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[^\"]*\"")


@dataclass(frozen=True)
class Operation:
    """An operation with the rights of `role`. One that is `repeated` until nothing is left may skip locked rows.

    What it does besides changing rows, such as claiming or publishing, it appends to `done` of its database.
    """

    role: str
    run: Callable[[Any], Awaitable[None]]
    repeated: bool = False


class Outcome(NamedTuple):
    done: Collection[str]
    rows: frozenset[str]


@dataclass
class SteppedConnection:
    """A connection that stops after each statement and each commit."""

    connection: asyncpg.Connection
    stop: Stop
    _is_in_transaction: bool = field(default=False, init=False)

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        """Return a method of a connection that runs something, such as `fetch`."""
        return partial(self._run, method)

    async def _run(self, method: str, *arguments: object, **options: Any) -> Any:
        if not self._is_in_transaction:
            async with self.transaction():
                return await self._run(method, *arguments, **options)
        result = await getattr(self.connection, method)(*arguments, **options)
        await self.stop()
        return result

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["SteppedConnection"]:
        async with self.connection.transaction():
            self._is_in_transaction = True
            try:
                yield self
            finally:
                self._is_in_transaction = False
        await self.stop()


@dataclass
class SteppedDatabase:
    """One connection with the methods of shared.database.pool.Database."""

    stepped: SteppedConnection
    done: list[object] = field(default_factory=list)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[SteppedConnection]:
        yield self.stepped

    @asynccontextmanager
    async def session(self) -> AsyncIterator[SteppedConnection]:
        try:
            yield self.stepped
        finally:
            await self.stepped.connection.execute("select pg_advisory_unlock_all()")

    def __getattr__(self, method: str) -> Any:
        return getattr(self.stepped, method)

    async def fetchrow(self, *arguments: object) -> Any:
        (row,) = await self.stepped.fetch(*arguments)
        return row


@dataclass
class Race:
    """A database in a saved state, and the operations that are played on it."""

    operations: Mapping[str, Operation]
    tables: Sequence[str]
    read_rows: ReadRows
    first: asyncpg.Connection
    second: asyncpg.Connection
    watcher: asyncpg.Connection
    collect: Callable[[Iterable[str]], Collection[str]]

    async def find_differences(self, name: str, other: str) -> list[str]:
        """Return how the outcomes of both at once differ from all orders; nothing if each equals one."""
        pair = (name, other)
        await self.reset()
        orders = [await self._play_in_order(pair, pair), await self._play_in_order((other, name), pair)]
        if self.operations[other].repeated:  # it may have found everything locked
            orders.append(await self._play_in_order((name,), pair))
        outcomes = await self._play_at_once(name, other)
        return [_describe(pair, point, got, orders) for point, got in enumerate(outcomes) if got not in orders]

    async def find_losses(self, name: str) -> list[str]:
        """Return how the outcome differs if the connection is cut at any point, and the operation comes again."""
        await self.reset()
        whole, losses = await self._play_in_order((name,), (name,)), list[str]()
        while (got := await self._play_cut(len(losses), name)) is not None:
            losses.append("" if got == whole else _describe((name, "cut"), len(losses), got, [whole]))
        assert losses
        return [loss for loss in losses if loss]

    async def _play_cut(self, point: int, name: str) -> Outcome | None:
        """Return the outcome of an operation that is cut at this point and comes again, None if it ends before."""
        await self.reset()
        stops = 0

        async def cut() -> None:
            nonlocal stops
            stops += 1
            if stops == point + 1:
                raise DatabaseUnavailable("the connection is cut")

        done = await self._run(self.first, name, cut)
        if stops <= point:
            return None
        return await self._finish([*done, *await self._run(self.first, name)], (name,))

    async def _play_in_order(self, names: Sequence[str], pair: Sequence[str]) -> Outcome:
        """Return the outcome of one after the other, which is rolled back."""
        transaction = self.first.transaction()
        await transaction.start()
        try:
            return await self._finish([item for name in names for item in await self._run(self.first, name)], pair)
        finally:
            await transaction.rollback()

    async def _play_at_once(self, name: str, other: str) -> list[Outcome]:
        """Return the outcomes of both, the other one begun at each point of the first."""
        outcomes = list[Outcome]()
        while (done := await self._play_from(len(outcomes), name, other)) is not None:
            outcomes.append(await self._finish(done, (name, other)))
        assert outcomes
        return outcomes

    async def _play_from(self, point: int, name: str, other: str) -> Sequence[str] | None:
        """Return what both have done, None if the first has fewer statements."""
        await self.reset()
        begun, stops = list[asyncio.Task[Sequence[str]]](), 0

        async def stop() -> None:
            nonlocal stops
            if stops == point:
                begun.append(asyncio.create_task(self._run(self.second, other)))
                pid = self.second.get_server_pid()
                while not begun[0].done() and not await self.watcher.fetchval(_IS_WAITING, pid):
                    pass
            stops += 1

        done = await self._run(self.first, name, stop)
        return [*done, *await begun[0]] if begun else None

    async def _run(self, connection: asyncpg.Connection, name: str, stop: Stop | None = None) -> Sequence[str]:
        """Run the operation, and return what it has done, even if the connection was cut."""
        operation = self.operations[name]
        database = SteppedDatabase(SteppedConnection(connection, stop or _go_on))
        await connection.execute(f"set role {operation.role}")
        try:
            await operation.run(database)
        except (asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedFunctionError):
            raise
        except asyncpg.PostgresError as error:
            database.done.append(error)
        except DatabaseUnavailable:
            pass  # cut
        finally:
            await connection.execute("reset role")
        return [repr(item) for item in database.done]

    async def _finish(self, done: Sequence[str], pair: Sequence[str]) -> Outcome:
        repeated = sorted({name for name in pair if self.operations[name].repeated})
        everything = [*done, *[item for name in repeated for item in await self._run(self.first, name)]]
        rows = [
            f"{table} {json.dumps(row, sort_keys=True)}"
            for table in self.tables
            for row in await self.read_rows(self.first, table)
        ]
        return Outcome(self.collect(everything), frozenset(_TIME.sub("time", row) for row in rows))

    async def reset(self) -> None:
        await self.first.execute("begin; set local session_replication_role = replica")
        for table in self.tables:
            await self.first.execute(_RESET.format(table=table, copy=_name_copy(table)))
        await self.first.execute("commit")


async def read_rows(connection: asyncpg.Connection, table: str) -> Sequence[Mapping[str, Any]]:
    return [json.loads(row["row"]) for row in await connection.fetch(_ROWS.format(table))]


@asynccontextmanager
async def open_race(
    database: FreshDatabase,
    schema: str,
    operations: Mapping[str, Operation],
    read: ReadRows,
    collect: Callable[[Iterable[str]], Collection[str]] = sorted,
) -> AsyncIterator[Race]:
    """Save the present state of the schema, from which each pair begins.

    `collect` says what counts of all that two operations do; with `set`, the same twice is as good as once.
    """
    # Without them PostgreSQL 18 may crash (decision 0028).
    connect = partial(connect_to_database, database.url, server_settings=SAFE_SETTINGS)
    async with AsyncExitStack() as stack:
        first, second, watcher = [await stack.enter_async_context(connect()) for _ in range(3)]
        tables = [row[0] for row in await first.fetch(_TABLES, schema)]
        await first.execute("create schema saved")
        for table in tables:
            await first.execute(f"create table {_name_copy(table)} as table {table}")
        yield Race(operations, tables, read, first, second, watcher, collect)


def _name_copy(table: str) -> str:
    return f"saved.{table.replace('.', '_')}"


async def _go_on() -> None:
    """Do not stop."""


def _describe(pair: Sequence[str], point: int, got: Outcome, orders: Sequence[Outcome]) -> str:
    lines = [f"{' | '.join(pair)}, after statement {point + 1}: {got.done}"]
    for order in orders:
        lines += [f"  not {order.done}" if order.done != got.done else "  not"]
        lines += [f"    - {row}" for row in sorted(order.rows - got.rows)]
        lines += [f"    + {row}" for row in sorted(got.rows - order.rows)]
    return "\n".join(lines)

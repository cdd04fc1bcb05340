"""Seals everything with the newest key: in pages, each its own transaction, so it may be ended at any time.

What has the newest version already is not written again, which is all that a repetition needs to know. A row that
somebody else wrote meanwhile stays as they wrote it.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import asyncpg

from cli.keys.bodies import Renewal
from shared.contracts.message import AddressKind
from shared.sealing import KeyRing, SealingError

PAGE = 5_000


class Page(NamedTuple):
    """How many rows were read, sealed anew, and have no key in the ring."""

    read: int
    sealed: int
    unreadable: int


class Store(Protocol):
    """Where something sealed is."""

    @property
    def name(self) -> str: ...

    async def left(self, connection: asyncpg.Connection, ring: KeyRing) -> int:
        """How many rows there are to look at."""
        ...

    def rotate(self, connection: asyncpg.Connection, ring: KeyRing) -> AsyncGenerator[Page, None]:
        """Seal everything with the newest key, page by page."""
        ...


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of sealed addresses; `kind` is a column or a constant."""

    name: str
    table: str
    sealed: str
    index: str
    kind: str

    async def left(self, connection: asyncpg.Connection, ring: KeyRing) -> int:
        statement = f"select count(*) from {self.table} where {self._old} <> $1"
        count: int = await connection.fetchval(statement, max(ring.keys))
        return count

    async def rotate(self, connection: asyncpg.Connection, ring: KeyRing) -> AsyncGenerator[Page, None]:
        position, newest = None, max(ring.keys)
        while rows := await connection.fetch(self.read(first=position is None), newest, PAGE, *_after(position)):
            position = rows[-1]["id"]
            renewed, unreadable = renew(rows, ring)
            if renewed:
                await connection.execute(self.write, *map(list, zip(*renewed, strict=True)))
            yield Page(len(rows), len(renewed), unreadable)

    def read(self, *, first: bool) -> str:
        return f"""
            select id, {self.sealed} as sealed, {self.index} as index, {self.kind} as kind from {self.table}
            where {self._old} <> $1 {"" if first else "and id > $3"} order by id limit $2
        """

    @property
    def write(self) -> str:
        return f"""
            update {self.table} t set {self.sealed} = renewed.after
            from unnest($1::uuid[], $2::bytea[], $3::bytea[]) as renewed (id, before, after)
            where t.id = renewed.id and t.{self.sealed} = renewed.before
        """

    @property
    def _old(self) -> str:
        return f"length({self.sealed}) > 0 and get_byte({self.sealed}, 0)"


@dataclass(frozen=True, kw_only=True)
class Bodies:
    """A column of messages that wait to be published, perhaps once more, with sealed addresses inside."""

    name: str
    table: str
    key: tuple[str, ...]
    body: str
    renewal: Renewal

    async def left(self, connection: asyncpg.Connection, ring: KeyRing) -> int:
        count: int = await connection.fetchval(f"select count(*) from {self.table}")
        return count

    async def rotate(self, connection: asyncpg.Connection, ring: KeyRing) -> AsyncGenerator[Page, None]:
        position: tuple[object, ...] | None = None
        while rows := await connection.fetch(self._read(first=position is None), PAGE, *(position or ())):
            position = tuple(rows[-1][column] for column in self.key)
            sealed = unreadable = 0
            for row in rows:
                after, failed = self.renewal(row[self.body], ring)
                unreadable += failed
                if after != row[self.body]:
                    sealed += 1
                    await connection.execute(self._write, row[self.body], after, *(row[one] for one in self.key))
            yield Page(len(rows), sealed, unreadable)

    def _read(self, *, first: bool) -> str:
        columns = ", ".join(self.key)
        after = ", ".join(f"${number}" for number in range(2, len(self.key) + 2))
        return f"""
            select {columns}, {self.body} from {self.table}
            {"" if first else f"where ({columns}) > ({after})"} order by {columns} limit $1
        """

    @property
    def _write(self) -> str:
        which = " and ".join(f"{column} = ${number}" for number, column in enumerate(self.key, 3))
        return f"update {self.table} set {self.body} = $2 where {self.body} = $1 and {which}"


def renew(rows: Sequence[asyncpg.Record], ring: KeyRing) -> tuple[list[tuple[object, bytes, bytes]], int]:
    """Id, old and new value of each row that opens, and how many do not."""
    renewed = []
    for row in rows:
        try:
            plain = ring.open(row["sealed"], purpose=row["kind"], index=row["index"])
        except SealingError:
            continue
        renewed.append((row["id"], row["sealed"], ring.seal(plain, purpose=row["kind"], index=row["index"])))
    return renewed, len(rows) - len(renewed)


def _after(position: object) -> tuple[object, ...]:
    return () if position is None else (position,)


def subscribers(kind: AddressKind) -> Column:
    return Column(
        name=f"subscribers' {kind} addresses",
        table="subscriptions.subscriber",
        sealed=f"{kind}_sealed",
        index=f"{kind}_index",
        kind=f"'{kind}'",
    )


DELIVERIES = Column(
    name="deliveries",
    table="dispatcher.delivery",
    sealed="address_sealed",
    index="address_index",
    kind="address_kind",
)
ERASURES = Column(
    name="erasures to be told",
    table="dispatcher.erasure",
    sealed="user_sealed",
    index="user_index",
    kind="'user'",
)

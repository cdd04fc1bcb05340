"""Seals addresses with the newest key: in pages, each its own transaction, so it may be ended at any time.

What has the newest version already is not read again, which is all that a repetition needs to know. A row that
somebody else wrote meanwhile stays as they wrote it.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import asyncpg

from shared.contracts.message import AddressKind
from shared.sealing import KeyRing, SealingError

PAGE = 5_000
_FIRST = UUID(int=0)


@dataclass(frozen=True, kw_only=True)
class Column:
    """Where sealed addresses are. `which` narrows it down, `kind` is a column or a constant."""

    name: str
    table: str
    sealed: str
    index: str
    kind: str
    which: str = "true"


COLUMNS = (
    *(
        Column(
            name=f"subscribers' {kind} addresses",
            table="subscriptions.subscriber",
            sealed=f"{kind}_sealed",
            index=f"{kind}_index",
            kind=f"'{kind}'",
        )
        for kind in AddressKind
    ),
    Column(
        name="deliveries to be sent",
        table="dispatcher.delivery",
        sealed="address_sealed",
        index="address_index",
        kind="address_kind",
        which="state in ('waiting', 'claimed', 'unknown')",
    ),
    Column(
        name="erasures to be told",
        table="dispatcher.erasure",
        sealed="user_sealed",
        index="user_index",
        kind="'user'",
    ),
)


class Page(NamedTuple):
    """What was done with one page; `unreadable` has no key in the ring."""

    sealed: int
    unreadable: int


async def rotate(connection: asyncpg.Connection, column: Column, ring: KeyRing) -> AsyncGenerator[Page, None]:
    """Seal everything in a column with the newest key, page by page."""
    position = _FIRST
    newest = max(ring.keys)
    while rows := await connection.fetch(_read(column), position, newest, PAGE):
        position = rows[-1]["id"]
        renewed, unreadable = _renew(rows, ring)
        if renewed:
            await connection.execute(_write(column), *map(list, zip(*renewed, strict=True)))
        yield Page(len(renewed), unreadable)


def _renew(rows: Sequence[asyncpg.Record], ring: KeyRing) -> tuple[list[tuple[UUID, bytes, bytes]], int]:
    renewed = []
    for row in rows:
        try:
            plain = ring.open(row["sealed"], purpose=row["kind"], index=row["index"])
        except SealingError:
            continue
        renewed.append((row["id"], row["sealed"], ring.seal(plain, purpose=row["kind"], index=row["index"])))
    return renewed, len(rows) - len(renewed)


def _read(column: Column) -> str:
    return f"""
        select id, {column.sealed} as sealed, {column.index} as index, {column.kind} as kind from {column.table}
        where id > $1 and {column.which} and length({column.sealed}) > 0 and get_byte({column.sealed}, 0) <> $2
        order by id limit $3
    """


def _write(column: Column) -> str:
    return f"""
        update {column.table} t set {column.sealed} = renewed.after
        from unnest($1::uuid[], $2::bytea[], $3::bytea[]) as renewed (id, before, after)
        where t.id = renewed.id and t.{column.sealed} = renewed.before
    """

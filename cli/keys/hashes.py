"""Lifts all hashes to the newest link of the index key: in pages, each a transaction, so it may be ended at any time.

A hash says how many links made it, which is all that a repetition needs to know. Its value is not needed; where that is
sealed, it is bound to the hash, and both are written by one statement. A row that somebody else wrote meanwhile stays
as they wrote it: they look for people under both hashes. Rows are locked in the order of their keys.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import asyncpg

from cli.keys.bodies import renew_event, renew_publications
from cli.keys.rotation import DELIVERIES, ERASURES, Bodies, Column, Page, Store, subscribers
from shared.contracts.message import AddressKind
from shared.sealing import INDEX_BYTES, IndexKey, KeyRing, SealingError

PAGE = 1_000
Arguments = tuple[object, ...]


@dataclass(frozen=True, kw_only=True)
class Hashes:
    """Rows with hashes. `lift` makes the arguments of `write` from a row, or None if it is as it has to be."""

    name: str
    table: str
    key: str
    columns: str
    outdated: str
    write: str
    lift: Callable[[asyncpg.Record, KeyRing], Arguments | None]

    async def left(self, connection: asyncpg.Connection, ring: KeyRing) -> int:
        count: int = await connection.fetchval(f"select count(*) from {self.table} where {self.outdated}")  # noqa: S608 (names of our own)
        return count

    async def rotate(self, connection: asyncpg.Connection, ring: KeyRing) -> AsyncGenerator[Page, None]:
        position: object = None
        while rows := await connection.fetch(self._read(first=position is None), PAGE, *_after(position)):
            position = rows[-1]["key"]
            lifted, unreadable = [], 0
            for row in rows:
                try:
                    lifted.append(self.lift(row, ring))
                except SealingError:
                    unreadable += 1
            changed = [arguments for arguments in lifted if arguments]
            await connection.executemany(self.write, changed)
            yield Page(len(rows), len(changed), unreadable)

    def _read(self, *, first: bool) -> str:
        return f"""
            select {self.key} as key, {self.columns} from {self.table}
            where {self.outdated} {"" if first else f"and {self.key} > $2"} order by {self.key} limit $1
        """  # noqa: S608 (names of our own)


def stores_of(index: IndexKey) -> Sequence[Store]:
    """Every place in which a hash of an address is stored, in both schemas, except in dead letters."""
    return (
        _told(index),
        *(_addresses(subscribers(kind), index, unique=True) for kind in AddressKind),
        _addresses(DELIVERIES, index),
        _addresses(ERASURES, index),
        _alone("conversations", "subscriptions.conversation", index),
        _alone("erasures", "subscriptions.erasure", index),
        _senders(index),
        Bodies(
            name="answers that may be published again",
            table="subscriptions.inbox",
            key=("message_key",),
            body="publications",
            renewal=partial(renew_publications, lift=index.lift),
        ),
        Bodies(
            name="pages to be published",
            table="subscriptions.pending_page",
            key=("broadcast_id", "page"),
            body="body",
            renewal=partial(renew_event, lift=index.lift),
        ),
    )


async def old_dead_letters(connection: asyncpg.Connection, index: IndexKey) -> tuple[int, int]:
    """How many dead letters would be handled under an older hash, and how many of them know no other.

    Only subscriptions can open them.
    """
    [counts] = await connection.fetch(f"""
        select count(*) filter (where {_older("senders[1]", index)}), count(*) filter (
            where {_older("senders[1]", index)} and not exists (
                select from unnest(senders) as hash where not {_older("hash", index)}))
        from subscriptions.dead_letter
    """)  # noqa: S608 (names of our own)
    return counts[0], counts[1]


def _addresses(column: Column, index: IndexKey, *, unique: bool = False) -> Hashes:
    """Hashes beside the sealed address, which is gone from who gets nothing any more.

    Where they are `unique`, two rows under two hashes of one address stay so until the person writes.
    """
    taken = f"and not exists (select from {column.table} where {column.index} = $4)"

    def lift(row: asyncpg.Record, ring: KeyRing) -> Arguments:
        before, sealed = row["index"], row["sealed"]
        after = index.lift(before)
        if sealed:
            sealed = ring.seal(ring.open(sealed, purpose=row["kind"], index=before), purpose=row["kind"], index=after)
        return row["key"], before, row["sealed"], after, sealed

    return Hashes(
        name=column.name,
        table=column.table,
        key="id",
        columns=f"{column.index} as index, {column.sealed} as sealed, {column.kind} as kind",
        outdated=_older(column.index, index),
        write=f"""
            update {column.table} set {column.index} = $4, {column.sealed} = $5
            where id = $1 and {column.index} = $2 and {column.sealed} is not distinct from $3
                {taken if unique else ""}
        """,  # noqa: S608 (names of our own)
        lift=lift,
    )


def _alone(name: str, table: str, index: IndexKey) -> Hashes:
    """Hashes that are the key of their row; where there is a row under the new one, that is the later."""
    return Hashes(
        name=name,
        table=table,
        key="address_index",
        columns="address_index as index",
        outdated=_older("address_index", index),
        write=f"""
            with lifted as (
                update {table} set address_index = $2
                where address_index = $1 and not exists (select from {table} where address_index = $2))
            delete from {table} where address_index = $1 and exists (select from {table} where address_index = $2)
        """,  # noqa: S608 (names of our own)
        lift=lambda row, _: (row["index"], index.lift(row["index"])),
    )


def _senders(index: IndexKey) -> Hashes:
    """The first is the one under which the message was handled; others beside it were looked up, and go with it."""
    return Hashes(
        name="senders of handled messages",
        table="subscriptions.inbox",
        key="message_key",
        columns="senders",
        outdated=_older("senders[1]", index),
        write="update subscriptions.inbox set senders = $3 where message_key = $1 and senders = $2",
        lift=lambda row, _: (row["key"], row["senders"], _lifted(row["senders"], index)),
    )


def _told(index: IndexKey) -> Hashes:
    """Comes before deliveries are lifted: an erasure has to find them before and after."""

    def lift(row: asyncpg.Record, _: KeyRing) -> Arguments | None:
        after = [*dict.fromkeys((*row["indexes"], *_lifted(row["indexes"], index)))]
        return (row["key"], row["indexes"], after) if after != row["indexes"] else None

    return Hashes(
        name="hashes of erasures to be told",
        table="dispatcher.erasure",
        key="id",
        columns="indexes",
        outdated=f"exists (select from unnest(indexes) as hash where {_older('hash', index)})",
        write="update dispatcher.erasure set indexes = $3 where id = $1 and indexes = $2",
        lift=lift,
    )


def _lifted(indexes: Sequence[bytes], index: IndexKey) -> list[bytes]:
    return [*dict.fromkeys(index.lift(one) for one in indexes)]


def _older(hashed: str, index: IndexKey) -> str:
    """Whether a hash has fewer links than the key."""
    links = f"case length({hashed}) when {INDEX_BYTES} then 1 when {INDEX_BYTES + 1} then get_byte({hashed}, 16) end"
    return f"({links} < {index.version})"


def _after(position: object) -> tuple[object, ...]:
    return () if position is None else (position,)

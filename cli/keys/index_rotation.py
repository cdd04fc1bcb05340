"""Rewriting of all hashes with the newest index key, in pages; each is one transaction, so it may be interrupted.

The form of a hash tells how many links of the key made it, so a repetition skips rows that are done. The address itself
is not needed; where it is stored encrypted, it is bound to the hash, and one statement writes both. A row that another
process changed meanwhile stays as it is: services look up both hashes. Rows are locked in key order.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

import asyncpg

from cli.keys.key_rotation import (
    DELIVERIES,
    ERASURES,
    AddressColumn,
    EncryptedStore,
    RotatedPage,
    build_message_columns,
    build_position,
    build_subscriber_column,
)
from shared.contracts.message import AddressKind
from shared.encryption import INDEX_BYTES, BlindIndexKey, EncryptionError, KeyRing

ROWS_PER_PAGE = 1_000
Arguments = tuple[object, ...]


@dataclass(frozen=True, kw_only=True)
class HashColumn:
    """Rows with hashes. `lift` makes the arguments of `write` from a row, or None if the row is up to date."""

    name: str
    table: str
    key: str
    columns: str
    outdated: str
    write: str
    lift: Callable[[asyncpg.Record, KeyRing], Arguments | None]

    async def count_outdated(self, connection: asyncpg.Connection, ring: KeyRing) -> int:
        count: int = await connection.fetchval(f"select count(*) from {self.table} where {self.outdated}")  # noqa: S608 (names of our own)
        return count

    async def rotate(self, connection: asyncpg.Connection, ring: KeyRing) -> AsyncGenerator[RotatedPage, None]:
        position: object = None
        while rows := await connection.fetch(
            self._build_query(first=position is None), ROWS_PER_PAGE, *build_position(position)
        ):
            position = rows[-1]["key"]
            lifted, unreadable = [], 0
            for row in rows:
                try:
                    lifted.append(self.lift(row, ring))
                except EncryptionError:
                    unreadable += 1
            changed = [arguments for arguments in lifted if arguments]
            await connection.executemany(self.write, changed)
            yield RotatedPage(len(rows), len(changed), unreadable)

    def _build_query(self, *, first: bool) -> str:
        return f"""
            select {self.key} as key, {self.columns} from {self.table}
            where {self.outdated} {"" if first else f"and {self.key} > $2"} order by {self.key} limit $1
        """  # noqa: S608 (names of our own)


def list_hash_stores(index: BlindIndexKey) -> Sequence[EncryptedStore]:
    """Return every store of address hashes in both schemas, except dead letters."""
    return (
        _build_erasure_column(index),
        *(_build_address_column(build_subscriber_column(kind), index, unique=True) for kind in AddressKind),
        _build_address_column(DELIVERIES, index),
        _build_address_column(ERASURES, index),
        _build_key_column("conversations", "subscriptions.conversation", index),
        _build_key_column("erasures", "subscriptions.erasure", index),
        _build_sender_column(index),
        *build_message_columns(index.upgrade),
    )


async def count_old_dead_letters(connection: asyncpg.Connection, index: BlindIndexKey) -> tuple[int, int]:
    """Count dead letters that would be handled under an older hash, and those among them that have no other.

    Only subscriptions can decrypt them.
    """
    [counts] = await connection.fetch(f"""
        select count(*) filter (where {_build_outdated_condition("senders[1]", index)}), count(*) filter (
            where {_build_outdated_condition("senders[1]", index)} and not exists (
                select from unnest(senders) as hash where not {_build_outdated_condition("hash", index)}))
        from subscriptions.dead_letter
    """)  # noqa: S608 (names of our own)
    return counts[0], counts[1]


def _build_address_column(column: AddressColumn, index: BlindIndexKey, *, unique: bool = False) -> HashColumn:
    """Return the store of hashes beside an encrypted address, which is gone once a person no longer gets anything.

    With `unique`, two rows under two hashes of one address stay so until the person writes.
    """
    taken = f"and not exists (select from {column.table} where {column.index} = $4)"

    def lift(row: asyncpg.Record, ring: KeyRing) -> Arguments:
        before, sealed = row["index"], row["sealed"]
        after = index.upgrade(before)
        if sealed:
            sealed = ring.encrypt(
                ring.decrypt(sealed, purpose=row["kind"], index=before), purpose=row["kind"], index=after
            )
        return row["key"], before, row["sealed"], after, sealed

    return HashColumn(
        name=column.name,
        table=column.table,
        key="id",
        columns=f"{column.index} as index, {column.sealed} as sealed, {column.kind} as kind",
        outdated=_build_outdated_condition(column.index, index),
        write=f"""
            update {column.table} set {column.index} = $4, {column.sealed} = $5
            where id = $1 and {column.index} = $2 and {column.sealed} is not distinct from $3
                {taken if unique else ""}
        """,  # noqa: S608 (names of our own)
        lift=lift,
    )


def _build_key_column(name: str, table: str, index: BlindIndexKey) -> HashColumn:
    """Return a store whose hashes are the key of their row; a row under the new hash is the later one and wins."""
    return HashColumn(
        name=name,
        table=table,
        key="address_index",
        columns="address_index as index",
        outdated=_build_outdated_condition("address_index", index),
        write=f"""
            with lifted as (
                update {table} set address_index = $2
                where address_index = $1 and not exists (select from {table} where address_index = $2))
            delete from {table} where address_index = $1 and exists (select from {table} where address_index = $2)
        """,  # noqa: S608 (names of our own)
        lift=lambda row, _: (row["index"], index.upgrade(row["index"])),
    )


def _build_sender_column(index: BlindIndexKey) -> HashColumn:
    """Return the store of senders: the hash that handled the message and those only looked up; all are rewritten."""
    return HashColumn(
        name="senders of handled messages",
        table="subscriptions.inbox",
        key="message_key",
        columns="senders",
        outdated=_build_outdated_condition("senders[1]", index),
        write="update subscriptions.inbox set senders = $3 where message_key = $1 and senders = $2",
        lift=lambda row, _: (row["key"], row["senders"], _upgrade_indexes(row["senders"], index)),
    )


def _build_erasure_column(index: BlindIndexKey) -> HashColumn:
    """Return the store of erasures; it comes before deliveries, as an erasure has to match old and new hashes."""

    def lift(row: asyncpg.Record, _: KeyRing) -> Arguments | None:
        after = [*dict.fromkeys((*row["indexes"], *_upgrade_indexes(row["indexes"], index)))]
        return (row["key"], row["indexes"], after) if after != row["indexes"] else None

    return HashColumn(
        name="hashes of erasures to be told",
        table="dispatcher.erasure",
        key="id",
        columns="indexes",
        outdated=f"exists (select from unnest(indexes) as hash where {_build_outdated_condition('hash', index)})",
        write="update dispatcher.erasure set indexes = $3 where id = $1 and indexes = $2",
        lift=lift,
    )


def _upgrade_indexes(indexes: Sequence[bytes], index: BlindIndexKey) -> list[bytes]:
    return [*dict.fromkeys(index.upgrade(one) for one in indexes)]


def _build_outdated_condition(hashed: str, index: BlindIndexKey) -> str:
    """Return the SQL condition that a hash has fewer links than the key."""
    links = f"case length({hashed}) when {INDEX_BYTES} then 1 when {INDEX_BYTES + 1} then get_byte({hashed}, 16) end"
    return f"({links} < {index.version})"

"""All stores of encrypted addresses and of their hashes, in both schemas, and the renewal of their rows.

Each page is one transaction, so a renewal may be interrupted. Rows that are up to date are skipped, so it may be
repeated. A row that another process has changed meanwhile stays as it is: services look up both hashes. Rows are locked
in key order. The form of a hash reveals how many links of the key made it; an encrypted address is bound to its hash,
and one statement writes both.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import asyncpg

from cli.keys.renewal import AddressRenewal, renew_event, renew_publications
from shared.contracts.message import AddressKind
from shared.encryption import INDEX_BYTES, BlindIndexKey, EncryptionError, KeyRing

Arguments = tuple[object, ...]
SAMPLE_SIZE = 200


@dataclass(frozen=True, kw_only=True)
class Store:
    """Rows to renew. `renew` returns the arguments of `write` for a row, or None if the row is up to date.

    With `in_columns` the arguments of `write` are columns of a whole page, which is faster.
    """

    name: str
    table: str
    key: Sequence[str] = ("id",)
    columns: Sequence[str] = ()
    outdated: str = "true"
    write: str
    renew: Callable[[asyncpg.Record], Arguments | None]
    in_columns: bool = False
    rows_per_page: int = 1_000

    async def count_outdated(self, connection: asyncpg.Connection) -> int:
        """Return the number of rows to read."""
        count: int = await connection.fetchval(f"select count(*) from {self.table} where {self.outdated}")
        return count

    async def count_left(self, connection: asyncpg.Connection) -> int:
        """Return the number of rows that `rotate` would renew, or cannot decrypt."""
        remaining = 0
        async for rows in self._read_pages(connection):
            renewed, unreadable = self.renew_rows(rows)
            remaining += len(renewed) + unreadable
        return remaining

    async def rotate(self, connection: asyncpg.Connection) -> AsyncGenerator[tuple[int, int, int], None]:
        """Renew all rows, and yield for each page the numbers of rows read, renewed, and without a key in the ring."""
        async for rows in self._read_pages(connection):
            renewed, unreadable = self.renew_rows(rows)
            await self.write_rows(connection, renewed)
            yield len(rows), len(renewed), unreadable

    async def _read_pages(self, connection: asyncpg.Connection) -> AsyncGenerator[list[asyncpg.Record], None]:
        position: Arguments = ()
        while rows := await connection.fetch(self.build_query(position), self.rows_per_page, *position):
            position = tuple(rows[-1][column] for column in self.key)
            yield rows

    def build_query(self, position: Arguments = ()) -> str:
        """Return the query of the page after this position; the first argument is the number of rows."""
        key = ", ".join(self.key)
        placeholders = ", ".join(f"${number}" for number, _ in enumerate(position, 2))
        return f"""
            select {", ".join((*self.key, *self.columns))} from {self.table}
            where {self.outdated} {f"and ({key}) > ({placeholders})" if position else ""} order by {key} limit $1
        """

    def renew_rows(self, rows: Sequence[asyncpg.Record]) -> tuple[list[Arguments], int]:
        """Return the arguments for all rows that change, and the number of rows that cannot be decrypted."""
        renewed, unreadable = [], 0
        for row in rows:
            try:
                if arguments := self.renew(row):
                    renewed.append(arguments)
            except EncryptionError:
                unreadable += 1
        return renewed, unreadable

    async def write_rows(self, connection: asyncpg.Connection, renewed: Sequence[Arguments]) -> None:
        if self.in_columns and renewed:
            await connection.execute(self.write, *map(list, zip(*renewed, strict=True)))
        elif renewed:
            await connection.executemany(self.write, renewed)


@dataclass(frozen=True)
class AddressColumns:
    """An encrypted address and its hash; `kind` is a column or a constant."""

    name: str
    table: str
    ciphertext: str
    index: str
    kind: str

    @property
    def columns(self) -> Sequence[str]:
        return f"{self.index} as index", f"{self.ciphertext} as ciphertext", f"{self.kind} as kind"


_SUBSCRIBER = "subscriptions.subscriber"
SUBSCRIBERS = {
    kind: AddressColumns(f"subscribers' {kind} addresses", _SUBSCRIBER, f"{kind}_sealed", f"{kind}_index", f"'{kind}'")
    for kind in AddressKind
}
DELIVERIES = AddressColumns("deliveries", "dispatcher.delivery", "address_sealed", "address_index", "address_kind")
ERASURES = AddressColumns("pending erasures", "dispatcher.erasure", "user_sealed", "user_index", "'user'")


def list_encrypted_stores(ring: KeyRing) -> Sequence[Store]:
    columns = (*SUBSCRIBERS.values(), DELIVERIES, ERASURES)
    return (*(build_encrypted_store(address, ring) for address in columns), *list_message_stores(AddressRenewal(ring)))


def list_hash_stores(index: BlindIndexKey, ring: KeyRing) -> Sequence[Store]:
    """Return every store of address hashes, except messages and dead letters.

    Erasures come before deliveries, as an erasure has to match old and new hashes.
    """
    renewal = AddressRenewal(ring, index)
    return (
        _build_erasure_store(index),
        *(_build_address_store(address, renewal, index, unique=True) for address in SUBSCRIBERS.values()),
        _build_address_store(DELIVERIES, renewal, index),
        _build_address_store(ERASURES, renewal, index),
        _build_key_store("conversations", "subscriptions.conversation", index),
        _build_key_store("erasures", "subscriptions.erasure", index),
        _build_sender_store(index),
    )


def list_message_stores(renewal: AddressRenewal) -> Sequence[Store]:
    """Return the stores of messages to be published, perhaps again, that contain encrypted addresses."""
    answers, pages = "answers that may be published again", "pages to be published"
    by_page, renew_page = ("broadcast_id", "page"), partial(renew_event, renewal=renewal)
    renew_answers = partial(renew_publications, renewal=renewal)
    return (
        _build_message_store(answers, "subscriptions.inbox", ("message_key",), "publications", renew_answers),
        _build_message_store(pages, "subscriptions.pending_page", by_page, "body", renew_page),
    )


async def count_old_dead_letters(connection: asyncpg.Connection, index: BlindIndexKey) -> tuple[int, int]:
    """Count dead letters that would be handled under an older hash, and those of them without another hash.

    Only subscriptions can decrypt them.
    """
    first, other = (_build_outdated_condition(hashed, index) for hashed in ("senders[1]", "hash"))
    [counts] = await connection.fetch(f"""
        select count(*) filter (where {first}), count(*) filter (
            where {first} and not exists (select from unnest(senders) as hash where not {other}))
        from subscriptions.dead_letter
    """)
    return counts[0], counts[1]


async def find_foreign_keys(connection: asyncpg.Connection, ring: KeyRing, index: BlindIndexKey) -> str | None:
    """Return why the keys are not those of the subscribers, or None if they are.

    Checks the number of links of all hashes, and recomputes a sample of the hashes from the decrypted addresses.
    """
    for kind, address in SUBSCRIBERS.items():
        newer = f"length({address.index}) > {INDEX_BYTES} and get_byte({address.index}, {INDEX_BYTES}) > $1"
        query = f"select exists (select from {address.table} where {newer})"
        if await connection.fetchval(query, index.version):
            return "subscribers have hashes of a newer index key"
        rows = await connection.fetch(f"""
            select {address.index} as hash, {address.ciphertext} as ciphertext from {address.table}
            where length({address.ciphertext}) > 0 order by id desc limit {SAMPLE_SIZE}
        """)
        for row in rows:
            try:
                plain = ring.decrypt(row["ciphertext"], purpose=kind, index=row["hash"]).decode()
            except EncryptionError:
                return "subscribers' addresses cannot be decrypted"
            if index.compute_index(kind, plain) != index.upgrade(row["hash"]):
                return "subscribers have hashes of another index key"
    return None


def build_encrypted_store(address: AddressColumns, ring: KeyRing) -> Store:
    """Return the store of addresses that are encrypted with another key than the newest."""
    renewal = AddressRenewal(ring)
    return Store(
        name=address.name,
        table=address.table,
        columns=address.columns,
        outdated=f"length({address.ciphertext}) > 0 and get_byte({address.ciphertext}, 0) <> {max(ring.keys)}",
        write=f"""
            update {address.table} t set {address.ciphertext} = renewed.after
            from unnest($1::uuid[], $2::bytea[], $3::bytea[]) as renewed (id, before, after)
            where t.id = renewed.id and t.{address.ciphertext} = renewed.before
        """,
        renew=lambda row: (
            row["id"],
            row["ciphertext"],
            renewal.renew(row["kind"], row["index"], row["ciphertext"])[1],
        ),
        in_columns=True,
        rows_per_page=5_000,
    )


def _build_address_store(
    address: AddressColumns, renewal: AddressRenewal, index: BlindIndexKey, *, unique: bool = False
) -> Store:
    """Return the store of hashes of an encrypted address, which is erased once a person gets nothing any more.

    With `unique`, two rows under two hashes of one address stay so until the person writes.
    """
    taken = f"and not exists (select from {address.table} where {address.index} = $4)"

    def renew(row: asyncpg.Record) -> Arguments:
        before, ciphertext = row["index"], row["ciphertext"]
        return row["id"], before, ciphertext, *renewal.renew(row["kind"], before, ciphertext)

    return Store(
        name=address.name,
        table=address.table,
        columns=address.columns,
        outdated=_build_outdated_condition(address.index, index),
        write=f"""
            update {address.table} set {address.index} = $4, {address.ciphertext} = $5
            where id = $1 and {address.index} = $2 and {address.ciphertext} is not distinct from $3
                {taken if unique else ""}
        """,
        renew=renew,
    )


def _build_key_store(name: str, table: str, index: BlindIndexKey) -> Store:
    """Return a store whose hashes are the key of their row; a row under the new hash is the later one and wins."""
    return Store(
        name=name,
        table=table,
        key=("address_index",),
        outdated=_build_outdated_condition("address_index", index),
        write=f"""
            with lifted as (
                update {table} set address_index = $2
                where address_index = $1 and not exists (select from {table} where address_index = $2))
            delete from {table} where address_index = $1 and exists (select from {table} where address_index = $2)
        """,
        renew=lambda row: (row["address_index"], index.upgrade(row["address_index"])),
    )


def _build_sender_store(index: BlindIndexKey) -> Store:
    """Return the store of senders: the hash that handled the message and those only looked up; all are rewritten."""
    return Store(
        name="senders of handled messages",
        table="subscriptions.inbox",
        key=("message_key",),
        columns=("senders",),
        outdated=_build_outdated_condition("senders[1]", index),
        write="update subscriptions.inbox set senders = $3 where message_key = $1 and senders = $2",
        renew=lambda row: (row["message_key"], row["senders"], _upgrade_indexes(row["senders"], index)),
    )


def _build_erasure_store(index: BlindIndexKey) -> Store:
    def renew(row: asyncpg.Record) -> Arguments | None:
        after = [*dict.fromkeys((*row["indexes"], *_upgrade_indexes(row["indexes"], index)))]
        return (row["id"], row["indexes"], after) if after != row["indexes"] else None

    return Store(
        name="hashes of pending erasures",
        table="dispatcher.erasure",
        columns=("indexes",),
        outdated=f"exists (select from unnest(indexes) as hash where {_build_outdated_condition('hash', index)})",
        write="update dispatcher.erasure set indexes = $3 where id = $1 and indexes = $2",
        renew=renew,
    )


def _build_message_store(
    name: str, table: str, key: Sequence[str], body: str, change: Callable[[bytes], bytes]
) -> Store:
    condition = " and ".join(f"{column} = ${number}" for number, column in enumerate(key, 3))

    def renew(row: asyncpg.Record) -> Arguments | None:
        before, after = row[body], change(row[body])
        return (before, after, *(row[column] for column in key)) if after != before else None

    write = f"update {table} set {body} = $2 where {body} = $1 and {condition}"
    return Store(name=name, table=table, key=key, columns=(body,), write=write, renew=renew)


def _upgrade_indexes(indexes: Sequence[bytes], index: BlindIndexKey) -> list[bytes]:
    return [*dict.fromkeys(index.upgrade(hashed) for hashed in indexes)]


def _build_outdated_condition(hashed: str, index: BlindIndexKey) -> str:
    """Return the SQL condition that a hash has fewer links than the key."""
    links = f"case length({hashed}) when {INDEX_BYTES} then 1 when {INDEX_BYTES + 1} then get_byte({hashed}, 16) end"
    return f"({links} < {index.version})"

"""Encryption of all stored addresses with the newest key, in pages; each is one transaction, so it may be interrupted.

Rows that have the newest version are skipped, which makes it safe to repeat. A row that another process changed
meanwhile stays as it is.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

import asyncpg

from cli.keys.message_bodies import IndexUpgrade, Renewal, keep_index, renew_event, renew_publications
from shared.contracts.message import AddressKind
from shared.encryption import EncryptionError, KeyRing

ROWS_PER_PAGE = 5_000


class RotatedPage(NamedTuple):
    """Numbers of rows read, encrypted anew, and without a key in the ring."""

    read: int
    sealed: int
    unreadable: int


class EncryptedStore(Protocol):
    """A place in which encrypted values are stored."""

    @property
    def name(self) -> str: ...

    async def count_outdated(self, connection: asyncpg.Connection, ring: KeyRing) -> int:
        """Return the number of rows to read."""
        ...

    def rotate(self, connection: asyncpg.Connection, ring: KeyRing) -> AsyncGenerator[RotatedPage, None]:
        """Encrypt all values with the newest key, page by page."""
        ...


@dataclass(frozen=True, kw_only=True)
class AddressColumn:
    """A column of encrypted addresses; `kind` is a column or a constant."""

    name: str
    table: str
    sealed: str
    index: str
    kind: str

    async def count_outdated(self, connection: asyncpg.Connection, ring: KeyRing) -> int:
        statement = f"select count(*) from {self.table} where {self._key_version} <> $1"
        count: int = await connection.fetchval(statement, max(ring.keys))
        return count

    async def rotate(self, connection: asyncpg.Connection, ring: KeyRing) -> AsyncGenerator[RotatedPage, None]:
        position, newest = None, max(ring.keys)
        while rows := await connection.fetch(
            self.build_query(first=position is None), newest, ROWS_PER_PAGE, *build_position(position)
        ):
            position = rows[-1]["id"]
            renewed, unreadable = renew_rows(rows, ring)
            if renewed:
                await connection.execute(self.update_statement, *map(list, zip(*renewed, strict=True)))
            yield RotatedPage(len(rows), len(renewed), unreadable)

    def build_query(self, *, first: bool) -> str:
        return f"""
            select id, {self.sealed} as sealed, {self.index} as index, {self.kind} as kind from {self.table}
            where {self._key_version} <> $1 {"" if first else "and id > $3"} order by id limit $2
        """

    @property
    def update_statement(self) -> str:
        return f"""
            update {self.table} t set {self.sealed} = renewed.after
            from unnest($1::uuid[], $2::bytea[], $3::bytea[]) as renewed (id, before, after)
            where t.id = renewed.id and t.{self.sealed} = renewed.before
        """

    @property
    def _key_version(self) -> str:
        return f"length({self.sealed}) > 0 and get_byte({self.sealed}, 0)"


@dataclass(frozen=True, kw_only=True)
class MessageColumn:
    """A column of messages waiting to be published, perhaps again, that contain encrypted addresses."""

    name: str
    table: str
    key: tuple[str, ...]
    body: str
    renewal: Renewal

    async def count_outdated(self, connection: asyncpg.Connection, ring: KeyRing) -> int:
        count: int = await connection.fetchval(f"select count(*) from {self.table}")
        return count

    async def rotate(self, connection: asyncpg.Connection, ring: KeyRing) -> AsyncGenerator[RotatedPage, None]:
        position: tuple[object, ...] | None = None
        while rows := await connection.fetch(
            self._build_query(first=position is None), ROWS_PER_PAGE, *(position or ())
        ):
            position = tuple(rows[-1][column] for column in self.key)
            sealed = unreadable = 0
            for row in rows:
                after, failed = self.renewal(row[self.body], ring)
                unreadable += failed
                if after != row[self.body]:
                    sealed += 1
                    await connection.execute(
                        self._update_statement, row[self.body], after, *(row[one] for one in self.key)
                    )
            yield RotatedPage(len(rows), sealed, unreadable)

    def _build_query(self, *, first: bool) -> str:
        columns = ", ".join(self.key)
        after = ", ".join(f"${number}" for number in range(2, len(self.key) + 2))
        return f"""
            select {columns}, {self.body} from {self.table}
            {"" if first else f"where ({columns}) > ({after})"} order by {columns} limit $1
        """

    @property
    def _update_statement(self) -> str:
        which = " and ".join(f"{column} = ${number}" for number, column in enumerate(self.key, 3))
        return f"update {self.table} set {self.body} = $2 where {self.body} = $1 and {which}"


def renew_rows(rows: Sequence[asyncpg.Record], ring: KeyRing) -> tuple[list[tuple[object, bytes, bytes]], int]:
    """Return id, old and new value of each row that can be decrypted, and the number of those that cannot."""
    renewed = []
    for row in rows:
        try:
            plain = ring.decrypt(row["sealed"], purpose=row["kind"], index=row["index"])
        except EncryptionError:
            continue
        renewed.append((row["id"], row["sealed"], ring.encrypt(plain, purpose=row["kind"], index=row["index"])))
    return renewed, len(rows) - len(renewed)


def build_position(position: object) -> tuple[object, ...]:
    return () if position is None else (position,)


def build_subscriber_column(kind: AddressKind) -> AddressColumn:
    return AddressColumn(
        name=f"subscribers' {kind} addresses",
        table="subscriptions.subscriber",
        sealed=f"{kind}_sealed",
        index=f"{kind}_index",
        kind=f"'{kind}'",
    )


DELIVERIES = AddressColumn(
    name="deliveries",
    table="dispatcher.delivery",
    sealed="address_sealed",
    index="address_index",
    kind="address_kind",
)
ERASURES = AddressColumn(
    name="erasures to be told",
    table="dispatcher.erasure",
    sealed="user_sealed",
    index="user_index",
    kind="'user'",
)


def build_message_columns(lift: IndexUpgrade = keep_index) -> tuple[MessageColumn, ...]:
    """Return the columns of messages; `lift` upgrades the hashes beside the addresses in them."""
    return (
        MessageColumn(
            name="answers that may be published again",
            table="subscriptions.inbox",
            key=("message_key",),
            body="publications",
            renewal=partial(renew_publications, lift=lift),
        ),
        MessageColumn(
            name="pages to be published",
            table="subscriptions.pending_page",
            key=("broadcast_id", "page"),
            body="body",
            renewal=partial(renew_event, lift=lift),
        ),
    )


# Every store of encrypted values, in both schemas.
STORES: Sequence[EncryptedStore] = (
    *(build_subscriber_column(kind) for kind in AddressKind),
    DELIVERIES,
    ERASURES,
    *build_message_columns(),
)

"""Subscribers in PostgreSQL."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from services.subscriptions.adapters.rows import columns_of, subscriber_of
from services.subscriptions.domain.consent import Consent
from services.subscriptions.domain.publication import Publication
from services.subscriptions.domain.subscriber import Subscriber, indexes
from services.subscriptions.domain.wording import Wording
from services.subscriptions.ports import Decided, Known, Settled
from shared.contracts.message import Address, Addresses, AddressKind
from shared.database.pool import Connection, Database

# In the order of the sorted keys, so that two replicas with the same two addresses cannot wait for each other.
_LOCK = "select pg_advisory_xact_lock(key) from unnest($1::bigint[]) as key"
_FIND = """
    select subscriber.*, array(
        select topic from subscriptions.subscription where subscriber_id = subscriber.id) as topics
    from subscriptions.subscriber where user_index = $1 or phone_index = $2
    order by id for update
"""
_SAVE = """
    insert into subscriptions.subscriber (id, sequence, state, phone_index, phone_sealed, user_index,
        user_sealed, started_at, started_received_at, ended_at, ended_received_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    on conflict (id) do update set (sequence, state, phone_index, phone_sealed, user_index, user_sealed,
        started_at, started_received_at, ended_at, ended_received_at)
      = (excluded.sequence, excluded.state, excluded.phone_index, excluded.phone_sealed, excluded.user_index,
        excluded.user_sealed, excluded.started_at, excluded.started_received_at, excluded.ended_at,
        excluded.ended_received_at)
"""
_SAVE_CONSENT = """
    insert into subscriptions.consent (subscriber_id, sequence, event, topics, wording_version, wording_hash,
        said_at, received_at, message_key)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_ADDRESSES = """
    select phone_index, phone_sealed, user_index, user_sealed from subscriptions.subscriber where id = $1
"""
_SAVE_HINT = """
    insert into subscriptions.hint select unnest($1::bytea[]), $2
    on conflict (address_index) do update set hinted_at = excluded.hinted_at
"""

_publications = msgspec.msgpack.Decoder(tuple[Publication, ...])


class PostgresPeople:
    """Implements ports.People."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def once(
        self,
        message_key: bytes,
        sender: Addresses,
        received_at: datetime,
        decide: Callable[[Known], Decided],
    ) -> Settled:
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK, _lock_keys(sender))
            before = await _settled(connection, message_key)
            if before:
                return before
            decided = decide(await _known(connection, sender))
            await _save(connection, decided)
            if decided.hinted_at:
                await connection.execute(_SAVE_HINT, indexes(sender), decided.hinted_at)
            await _remember(connection, message_key, received_at, decided)
        return Settled(result=decided.result, publications=decided.publications, again=False)

    async def addresses(self, subscriber: UUID) -> Addresses | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_ADDRESSES, subscriber)
        if row is None:
            return None
        phone = _address(AddressKind.PHONE, row["phone_index"], row["phone_sealed"])
        user = _address(AddressKind.USER, row["user_index"], row["user_sealed"])
        return Addresses(phone=phone, user=user) if phone or user else None


def _address(kind: AddressKind, index: bytes | None, sealed: bytes | None) -> Address | None:
    return Address(kind=kind, index=index, sealed=sealed) if index and sealed else None


async def save_wordings(database: Database, wordings: Sequence[Wording]) -> None:
    """Keep the texts that consents refer to by hash."""
    async with database.connection() as connection:
        await connection.executemany(
            "insert into subscriptions.wording (hash, version, text) values ($1, $2, $3) on conflict (hash) do nothing",
            [(wording.hash, wording.version, wording.text) for wording in wordings],
        )


async def forget(database: Database, before: datetime, *, step: int = 1_000) -> int:
    """Delete what was handled before a moment, and hints a day older than they matter; a small step."""
    async with database.connection() as connection:
        await connection.execute(
            "delete from subscriptions.hint where hinted_at < now() - $1::interval", timedelta(days=2)
        )
        deleted: str = await connection.execute(
            "delete from subscriptions.inbox where message_key in"
            " (select message_key from subscriptions.inbox where handled_at < $1 limit $2)",
            before,
            step,
        )
    return int(deleted.split()[-1])


def _lock_keys(sender: Addresses) -> list[int]:
    return sorted(int.from_bytes(index[:8], "big", signed=True) for index in indexes(sender))


async def _settled(connection: Connection, message_key: bytes) -> Settled | None:
    row = await connection.fetchrow(
        "select result, publications from subscriptions.inbox where message_key = $1", message_key
    )
    if row is None:
        return None
    return Settled(result=row["result"], publications=_publications.decode(row["publications"]), again=True)


async def _known(connection: Connection, sender: Addresses) -> Known:
    user = sender.user.index if sender.user else None
    phone = sender.phone.index if sender.phone else None
    found = [subscriber_of(row) for row in await connection.fetch(_FIND, user, phone)]
    hinted_at = await connection.fetchval(
        "select max(hinted_at) from subscriptions.hint where address_index = any($1)", indexes(sender)
    )
    return Known(by_user=_with(found, user), by_phone=_with(found, phone), hinted_at=hinted_at)


def _with(found: Sequence[Subscriber], index: bytes | None) -> Subscriber | None:
    return next((subscriber for subscriber in found if index in indexes(subscriber.addresses)), None)


async def _save(connection: Connection, decided: Decided) -> None:
    for subscriber in decided.subscribers:
        await connection.execute(_SAVE, *columns_of(subscriber))
        await _save_topics(connection, subscriber)
    for consent in decided.consents:
        await _append(connection, consent)


async def _save_topics(connection: Connection, subscriber: Subscriber) -> None:
    topics = sorted(subscriber.topics)
    await connection.execute(
        "delete from subscriptions.subscription where subscriber_id = $1 and topic <> all($2)",
        subscriber.id,
        topics,
    )
    await connection.execute(
        "insert into subscriptions.subscription (topic, subscriber_id) select unnest($2::text[]), $1"
        " on conflict do nothing",
        subscriber.id,
        topics,
    )


async def _append(connection: Connection, consent: Consent) -> None:
    wording = consent.wording
    await connection.execute(
        _SAVE_CONSENT,
        consent.subscriber,
        consent.sequence,
        consent.event,
        sorted(consent.topics),
        wording.version if wording else None,
        wording.hash if wording else None,
        consent.said_at,
        consent.received_at,
        consent.message_key,
    )


async def _remember(connection: Connection, message_key: bytes, received_at: datetime, decided: Decided) -> None:
    await connection.execute(
        "insert into subscriptions.inbox (message_key, result, publications, received_at) values ($1, $2, $3, $4)",
        message_key,
        decided.result,
        msgspec.msgpack.encode(decided.publications),
        received_at,
    )

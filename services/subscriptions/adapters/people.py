"""Subscribers in PostgreSQL."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import msgspec

from services.subscriptions.adapters.erasing import erase, last_erasure, lock
from services.subscriptions.adapters.opinions import SAVE_FEEDBACK, feedback_columns, feedback_of
from services.subscriptions.adapters.rows import Row, columns_of, consent_of, subscriber_of
from services.subscriptions.domain.consent import Consent
from services.subscriptions.domain.erasure import authors_of, indexes_of
from services.subscriptions.domain.feedback import AuthorKey
from services.subscriptions.domain.guard import Conversation, of_all
from services.subscriptions.domain.publication import Publication
from services.subscriptions.domain.subscriber import Subscriber, indexes, lookups
from services.subscriptions.domain.wording import Wording
from services.subscriptions.ports import Decided, Known, Settled
from shared.contracts.message import Address, Addresses, AddressKind
from shared.database.pool import Connection, Database

_FIND = """
    select subscriber.*, array(
        select topic from subscriptions.subscription where subscriber_id = subscriber.id) as topics
    from subscriptions.subscriber where user_index = any($1) or phone_index = any($1)
    order by id for update
"""
_SAVE = """
    insert into subscriptions.subscriber (id, sequence, state, phone_index, phone_sealed, user_index,
        user_sealed, started_at, started_received_at, ended_at, ended_received_at, places, paused_until, chosen_at,
        chosen_received_at, merged_into, suspended, preferred_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
    on conflict (id) do update set (sequence, state, phone_index, phone_sealed, user_index, user_sealed,
        started_at, started_received_at, ended_at, ended_received_at, places, paused_until, chosen_at,
        chosen_received_at, merged_into, suspended, preferred_at)
      = (excluded.sequence, excluded.state, excluded.phone_index, excluded.phone_sealed, excluded.user_index,
        excluded.user_sealed, excluded.started_at, excluded.started_received_at, excluded.ended_at,
        excluded.ended_received_at, excluded.places, excluded.paused_until, excluded.chosen_at,
        excluded.chosen_received_at, excluded.merged_into, excluded.suspended, excluded.preferred_at)
"""
_SAVE_CONSENT = """
    insert into subscriptions.consent (subscriber_id, sequence, event, topics, wording_version, wording_hash,
        said_at, received_at, message_key)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_SAVE_WORDING = (
    "insert into subscriptions.wording (hash, version, text) values ($1, $2, $3) on conflict (hash) do nothing"
)
_SAVE_CONVERSATION = """
    insert into subscriptions.conversation select unnest($1::bytea[]), $2, $3, $4, $5
    on conflict (address_index) do update set (hinted_at, answers_left, counted_at, asked)
      = (excluded.hinted_at, excluded.answers_left, excluded.counted_at, excluded.asked)
"""
# Of one address there is one row, whichever key its hash is of.
_DROP_CONVERSATION = "delete from subscriptions.conversation where address_index = any($1)"
_ROWS_OF = """
    with recursive person as (
        select id from subscriptions.subscriber where id = any($1)
        union select s.id from subscriptions.subscriber s join person on s.merged_into = person.id)
    select * from subscriptions.consent where subscriber_id in (select id from person) order by said_at, id
"""
# A move names both addresses; as long as something of the former one is left, the message about the move is.
_FORMER = """
    with recursive theirs as (
        select unnest($1::bytea[]) as index
        union
        select unnest(moved.senders) from theirs join subscriptions.inbox moved
            on moved.senders @> array[theirs.index] and moved.result = 'moved')
    select index from theirs
"""
_ADDRESSES = """
    select phone_index, phone_sealed, user_index, user_sealed from subscriptions.subscriber where id = $1
"""

_publications = msgspec.msgpack.Decoder(tuple[Publication, ...])


class PostgresPeople:
    """Implements ports.People."""

    def __init__(self, database: Database, key: AuthorKey) -> None:
        self._database = database
        self._key = key

    async def once(
        self,
        message_key: bytes,
        sender: Addresses,
        received_at: datetime,
        decide: Callable[[Known], Decided],
        *,
        history: bool = False,
        former: Addresses | None = None,
        keys_also: Sequence[bytes] = (),
    ) -> Settled:
        everywhere = (*lookups(sender), *(lookups(former) if former else ()))
        async with self._database.transaction() as connection:
            await lock(connection, everywhere)
            before = await _settled(connection, (message_key, *keys_also))
            if before:
                return before
            known = await _read(connection, sender, former)
            decided = decide(await self._with_history(connection, known, sender) if history else known)
            await _save(connection, decided)
            if decided.conversation:
                await connection.execute(_DROP_CONVERSATION, sender.also)
                await connection.execute(_SAVE_CONVERSATION, *_conversation_columns(sender, decided.conversation))
            await _remember(connection, message_key, received_at, everywhere, decided)
        return Settled(result=decided.result, publications=decided.publications, again=False)

    async def _with_history(self, connection: Connection, known: Known, sender: Addresses) -> Known:
        people = [each for each in (known.by_user, known.by_phone) if each]
        rows = await connection.fetch(_ROWS_OF, [each.id for each in people])
        consents = tuple([consent_of(row) for row in rows])
        known_at = (*indexes_of(people, sender), *sender.also)
        former = tuple([row["index"] for row in await connection.fetch(_FORMER, known_at)])
        feedback = await feedback_of(connection, authors_of(self._key, people, former, consents))
        return replace(known, history=consents, feedback=feedback, former=former)

    async def keep_only(self, message_key: bytes, publications: tuple[Publication, ...]) -> None:
        kept = msgspec.msgpack.encode(publications)
        async with self._database.connection() as connection:
            await connection.execute(
                "update subscriptions.inbox set publications = $2 where message_key = $1", message_key, kept
            )

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
        await connection.executemany(_SAVE_WORDING, [_wording_columns(wording) for wording in wordings])


def _wording_columns(wording: Wording) -> tuple[object, ...]:
    return wording.hash, wording.version, wording.text


def _conversation_columns(sender: Addresses, conversation: Conversation) -> tuple[object, ...]:
    return indexes(sender), conversation.hinted_at, conversation.left, conversation.counted_at, conversation.asked


async def _settled(connection: Connection, keys: Sequence[bytes]) -> Settled | None:
    row = await connection.fetchrow(
        "select result, publications from subscriptions.inbox where message_key = any($1)", keys
    )
    if row is None:
        return None
    return Settled(result=row["result"], publications=_publications.decode(row["publications"]), again=True)


async def _read(connection: Connection, sender: Addresses, former: Addresses | None) -> Known:
    by_user, by_phone = await _people(connection, sender)
    was_user, was_phone = await _people(connection, former) if former else (None, None)
    known = lookups(sender)
    rows = await connection.fetch("select * from subscriptions.conversation where address_index = any($1)", known)
    return Known(
        by_user=by_user,
        by_phone=by_phone,
        was_user=was_user,
        was_phone=was_phone,
        conversation=of_all([_conversation(row) for row in rows]),
        erased=await last_erasure(connection, known),
    )


async def _people(connection: Connection, sender: Addresses) -> tuple[Subscriber | None, Subscriber | None]:
    known = lookups(sender)
    found = [subscriber_of(row) for row in await connection.fetch(_FIND, known)]
    by_user = [each for each in found if each.addresses.user and each.addresses.user.index in known]
    by_phone = [each for each in found if each.addresses.phone and each.addresses.phone.index in known]
    # Two rows under two hashes of one address become one, like those of two addresses.
    user = next(iter((*by_user[:1], *by_phone[1:])), None)
    other = next((each for each in (*by_phone, *by_user) if each is not user), None)
    return user, other or (user if by_phone else None)


def _conversation(row: Row) -> Conversation:
    return Conversation(
        hinted_at=row["hinted_at"], left=row["answers_left"], counted_at=row["counted_at"], asked=row["asked"]
    )


async def _save(connection: Connection, decided: Decided) -> None:
    for subscriber in decided.subscribers:
        await connection.execute(_SAVE, *columns_of(subscriber))
        await _save_topics(connection, subscriber)
    for consent in decided.consents:
        await _append(connection, consent)
    if decided.feedback:
        await connection.execute(SAVE_FEEDBACK, *feedback_columns(decided.feedback))
    if decided.erased:
        await erase(connection, decided.erased)


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
    if wording:
        await connection.execute(_SAVE_WORDING, *_wording_columns(wording))
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


async def _remember(
    connection: Connection, message_key: bytes, received_at: datetime, senders: Sequence[bytes], decided: Decided
) -> None:
    erased = decided.erased
    await connection.execute(
        "insert into subscriptions.inbox (message_key, result, publications, received_at, senders, erased_at)"
        " values ($1, $2, $3, $4, $5, $6)",
        message_key,
        decided.result,
        msgspec.msgpack.encode(decided.publications),
        received_at,
        [*dict.fromkeys((*senders, *erased.indexes))] if erased else senders,
        erased.moment.at if erased else None,
    )

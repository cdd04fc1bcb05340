"""Subscribers in PostgreSQL."""

from collections.abc import Callable, Sequence
from dataclasses import astuple, replace
from datetime import datetime
from itertools import chain
from uuid import UUID

import asyncpg
import msgspec

from services.subscriptions.adapters.consents import append_consent, fetch_consents
from services.subscriptions.adapters.feedback import fetch_feedback, list_feedback, save_feedback
from services.subscriptions.adapters.retention import (
    NO_PUBLICATIONS,
    erase_person,
    find_last_erasure,
    list_unpublished,
    lock_people,
)
from services.subscriptions.domain.change_sets import ChangeSet, StoredDecision
from services.subscriptions.domain.consent import ConsentEvent
from services.subscriptions.domain.conversation import Conversation, merge_conversations
from services.subscriptions.domain.feedback import AuthorKey
from services.subscriptions.domain.privacy import StoredState, collect_indexes, derive_authors
from services.subscriptions.domain.publication import Publication
from services.subscriptions.domain.subscriber import (
    MessageTime,
    Subscriber,
    SubscriberState,
    list_indexes,
    list_lookup_indexes,
)
from shared.contracts.message import Address, Addresses, AddressKind
from shared.database.pool import Connection, Database

# Of a hundred million codes.
MAX_TRIAL_GUESSES = 20

_FIND = """
    select * from subscriptions.subscriber where user_index = any($1) or phone_index = any($1) order by id for update
"""
# In a statement of its own: one that waited for a row lock would still see the old topics.
_TOPICS = """
    select subscriber_id, array_agg(topic) from subscriptions.subscription where subscriber_id = any($1)
    group by subscriber_id
"""
_SAVE = """
    insert into subscriptions.subscriber (id, sequence, state, phone_index, phone_sealed, user_index,
        user_sealed, started_at, started_received_at, ended_at, ended_received_at, places, paused_until, chosen_at,
        chosen_received_at, merged_into, suspended, preferred_at, paused_at, paused_received_at, topic_times, placed_at,
        placed_received_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)
    on conflict (id) do update set (sequence, state, phone_index, phone_sealed, user_index, user_sealed,
        started_at, started_received_at, ended_at, ended_received_at, places, paused_until, chosen_at,
        chosen_received_at, merged_into, suspended, preferred_at, paused_at, paused_received_at, topic_times, placed_at,
        placed_received_at)
      = (excluded.sequence, excluded.state, excluded.phone_index, excluded.phone_sealed, excluded.user_index,
        excluded.user_sealed, excluded.started_at, excluded.started_received_at, excluded.ended_at,
        excluded.ended_received_at, excluded.places, excluded.paused_until, excluded.chosen_at,
        excluded.chosen_received_at, excluded.merged_into, excluded.suspended, excluded.preferred_at,
        excluded.paused_at, excluded.paused_received_at, excluded.topic_times, excluded.placed_at,
        excluded.placed_received_at)
"""
_SAVE_TOPICS = """
    with dropped as (delete from subscriptions.subscription where subscriber_id = $1 and topic <> all($2))
    insert into subscriptions.subscription (topic, subscriber_id) select unnest($2::text[]), $1 on conflict do nothing
"""
# A code without a text counts as a guess at every code.
_USE_TRIAL = """
    with used as (delete from subscriptions.trial where code = $1 and ends_at > now() and guesses < $2 returning text),
    guessed as (update subscriptions.trial set guesses = guesses + 1 where not exists (select from used))
    select text from used
"""
_CONVERSATIONS = """
    select hinted_at, answers_left, counted_at, asked as open_question, asked_at from subscriptions.conversation
    where address_index = any($1)
"""
# Columns in the order of the fields of Conversation.
_SAVE_CONVERSATION = """
    insert into subscriptions.conversation select unnest($1::bytea[]), $2, $3, $4, $5, $6
    on conflict (address_index) do update set (hinted_at, answers_left, counted_at, asked, asked_at)
      = (excluded.hinted_at, excluded.answers_left, excluded.counted_at, excluded.asked, excluded.asked_at)
"""
# One address has one row, whichever index key its blind index was made with.
_DROP_CONVERSATION = "delete from subscriptions.conversation where address_index = any($1)"
# A move names both addresses; its message stays in the inbox as long as any data of the former address exist. Only the
# person's own moves count: the new owner of a number must not find the current address of its former owner.
_FORMER_INDEXES = """
    select distinct unnest(senders) as index from subscriptions.inbox where message_key = any($1) and result = 'moved'
"""
_MOVES = "select message_key, senders from subscriptions.inbox where senders && $1 and result = 'moved'"
_MOVED = """
    select * from subscriptions.subscriber
    where (user_index = any($1) or phone_index = any($1)) and exists (
        select from subscriptions.consent
        where subscriber_id in (
            select m.id from subscriptions.subscriber m where m.id = subscriber.id or m.merged_into = subscriber.id)
            and event = 'moved' and message_key = any($2) and said_at >= $3)
    order by id for update
"""
# Nothing is written back for a person who was erased meanwhile.
_TRIM = "update subscriptions.inbox set publications = $2 where message_key = $1 and publications <> $3"
_ADDRESSES = """
    select phone_index, phone_sealed, user_index, user_sealed from subscriptions.subscriber where id = $1
"""

_topic_times = msgspec.json.Decoder(dict[str, MessageTime])
_publications = msgspec.msgpack.Decoder(tuple[Publication, ...])
Row = asyncpg.Record


class PostgresSubscriberRepository:
    """Implementation of ports.SubscriberRepository."""

    def __init__(self, database: Database, key: AuthorKey) -> None:
        self._database = database
        self._key = key

    async def process_once(
        self,
        message_key: bytes,
        sender: Addresses,
        received_at: datetime,
        decide: Callable[[StoredState], ChangeSet],
        *,
        history: bool = False,
        former: Addresses | None = None,
        sent_at: datetime | None = None,
        unsubscribes: bool = False,
        alternate_keys: Sequence[bytes] = (),
        trial_code: str = "",
    ) -> StoredDecision:
        indexes = (*list_lookup_indexes(sender), *(list_lookup_indexes(former) if former else ()))
        async with self._database.transaction() as connection:
            await lock_people(connection, indexes)
            previous = await _find_decision(connection, (message_key, *alternate_keys))
            if previous:
                return previous
            state = await _read_state(connection, sender, former, sent_at)
            if state.moved_subscriber and not (state.moved_subscriber.subscribed or unsubscribes):
                state = replace(state, moved_subscriber=None)
            if trial_code:
                text = await connection.fetchval(_USE_TRIAL, trial_code, MAX_TRIAL_GUESSES)
                state = replace(state, trial_text=text or "")
            changes = decide(await self._add_history(connection, state, sender, former) if history else state)
            if changes.erasure:
                unpublished = map(_publications.decode, await list_unpublished(connection, changes.erasure))
                changes = replace(changes, publications=(*chain.from_iterable(unpublished), *changes.publications))
            await _save_changes(connection, changes)
            if changes.conversation:
                await connection.execute(_DROP_CONVERSATION, sender.also)
                await connection.execute(_SAVE_CONVERSATION, list_indexes(sender), *astuple(changes.conversation))
            await _record_in_inbox(connection, message_key, received_at, indexes, changes)
        return StoredDecision(result=changes.result, publications=changes.publications, duplicate=False)

    async def _add_history(
        self, connection: Connection, state: StoredState, sender: Addresses, former: Addresses | None
    ) -> StoredState:
        current_rows = (state.by_user, state.by_phone, state.moved_subscriber)
        rows = (state.former_by_user, state.former_by_phone) if former else current_rows
        people, addresses = [row for row in rows if row], former or sender
        consents = await fetch_consents(connection, [person.id for person in people])
        known_indexes = (*collect_indexes(people, addresses), *addresses.also)
        moves = [entry.message_key for entry in consents if entry.event is ConsentEvent.MOVED]
        former_indexes = [row["index"] for row in await connection.fetch(_FORMER_INDEXES, moves)]
        all_indexes = tuple(dict.fromkeys((*known_indexes, *former_indexes)))
        authors = derive_authors(self._key, people, all_indexes, consents)
        return replace(
            state,
            history=consents,
            feedback=await fetch_feedback(connection, authors),
            feedback_ids=await list_feedback(connection, authors),
            former_indexes=all_indexes,
        )

    async def trim_stored_replies(self, message_key: bytes, publications: tuple[Publication, ...]) -> None:
        await self._database.fetch(_TRIM, message_key, msgspec.msgpack.encode(publications), NO_PUBLICATIONS)

    async def find_addresses(self, subscriber: UUID) -> Addresses | None:
        addresses = map(_read_addresses, await self._database.fetch(_ADDRESSES, subscriber))
        return next(filter(list_indexes, addresses), None)


async def _find_decision(connection: Connection, keys: Sequence[bytes]) -> StoredDecision | None:
    row = await connection.fetchrow(
        "select result, publications from subscriptions.inbox where message_key = any($1)", keys
    )
    if row is None:
        return None
    return StoredDecision(result=row["result"], publications=_publications.decode(row["publications"]), duplicate=True)


async def _read_state(
    connection: Connection, sender: Addresses, former: Addresses | None, sent_at: datetime | None
) -> StoredState:
    by_user, by_phone = await _find_subscribers(connection, sender)
    former_by_user, former_by_phone = await _find_subscribers(connection, former) if former else (None, None)
    indexes = list_lookup_indexes(sender)
    unknown_at = None if by_user or by_phone else sent_at
    moved = await _find_moved(connection, indexes, unknown_at) if unknown_at else None
    rows = await connection.fetch(_CONVERSATIONS, indexes)
    return StoredState(
        by_user=by_user,
        by_phone=by_phone,
        former_by_user=former_by_user,
        former_by_phone=former_by_phone,
        moved_subscriber=moved,
        conversation=merge_conversations([Conversation(**row) for row in rows]),
        last_erasure=await find_last_erasure(connection, indexes, unknown_at),
    )


async def _find_subscribers(connection: Connection, sender: Addresses) -> tuple[Subscriber | None, Subscriber | None]:
    indexes = list_lookup_indexes(sender)
    rows = await _fetch_subscribers(connection, _FIND, indexes)
    by_user = [row for row in rows if row.addresses.user and row.addresses.user.index in indexes]
    by_phone = [row for row in rows if row.addresses.phone and row.addresses.phone.index in indexes]
    # Two rows under two blind indexes of one address are merged, like those of two addresses.
    user = next(iter((*by_user[:1], *by_phone[1:])), None)
    other = next((row for row in (*by_phone, *by_user) if row is not user), None)
    return user, other or (user if by_phone else None)


async def _find_moved(connection: Connection, indexes: Sequence[bytes], sent_at: datetime) -> Subscriber | None:
    """Return the person who had this address at `sent_at` and has moved since, according to the consent record."""
    moves = await connection.fetch(_MOVES, indexes)
    if not moves:
        return None
    moved_indexes = [index for move in moves for index in move["senders"]]
    message_keys = [move["message_key"] for move in moves]
    return next(iter(await _fetch_subscribers(connection, _MOVED, moved_indexes, message_keys, sent_at)), None)


async def _fetch_subscribers(connection: Connection, query: str, *arguments: object) -> list[Subscriber]:
    rows = await connection.fetch(query, *arguments)
    topic_rows = await connection.fetch(_TOPICS, [row["id"] for row in rows]) if rows else []
    topics = {subscriber: frozenset(names) for subscriber, names in topic_rows}
    return [_read_subscriber(row, topics.get(row["id"], frozenset())) for row in rows]


async def _save_changes(connection: Connection, changes: ChangeSet) -> None:
    for subscriber in changes.subscribers:
        await connection.execute(_SAVE, *_build_subscriber_row(subscriber))
        await connection.execute(_SAVE_TOPICS, subscriber.id, sorted(subscriber.topics))
    for consent in changes.consents:
        await append_consent(connection, consent)
    if changes.feedback:
        await save_feedback(connection, changes.feedback)
    if changes.erasure:
        await erase_person(connection, changes.erasure)


async def _record_in_inbox(
    connection: Connection, message_key: bytes, received_at: datetime, senders: Sequence[bytes], changes: ChangeSet
) -> None:
    erasure = changes.erasure
    await connection.execute(
        "insert into subscriptions.inbox (message_key, result, publications, received_at, senders, erased_at)"
        " values ($1, $2, $3, $4, $5, $6)",
        message_key,
        changes.result,
        msgspec.msgpack.encode(changes.publications),
        received_at,
        [*dict.fromkeys((*senders, *erasure.indexes))] if erasure else senders,
        erasure.moment.at if erasure else None,
    )


def _read_addresses(row: Row) -> Addresses:
    return Addresses(phone=_read_address(row, AddressKind.PHONE), user=_read_address(row, AddressKind.USER))


def _read_address(row: Row, kind: AddressKind) -> Address | None:
    index = row[f"{kind}_index"]
    return Address(kind=kind, index=index, sealed=row[f"{kind}_sealed"] or b"") if index else None


def _read_subscriber(row: Row, topics: frozenset[str]) -> Subscriber:
    return Subscriber(
        id=row["id"],
        sequence=row["sequence"],
        state=SubscriberState(row["state"]),
        addresses=_read_addresses(row),
        topics=topics,
        places=frozenset(row["places"]),
        paused_until=row["paused_until"],
        chosen_at=_read_time(row, "chosen"),
        topic_times=_topic_times.decode(row["topic_times"]),
        placed_at=_read_time(row, "placed"),
        paused_at=_read_time(row, "paused"),
        merged_into=row["merged_into"],
        suspended=frozenset(row["suspended"]),
        preferred_at=row["preferred_at"],
        started_at=_read_time(row, "started"),
        ended_at=_read_time(row, "ended"),
    )


def _read_time(row: Row, name: str) -> MessageTime | None:
    at = row[f"{name}_at"]
    return MessageTime(at, row[f"{name}_received_at"]) if at else None


def _build_subscriber_row(subscriber: Subscriber) -> tuple[object, ...]:
    """Return the values in the order of the columns in `_SAVE`."""
    phone, user = subscriber.addresses.phone, subscriber.addresses.user
    return (
        subscriber.id,
        subscriber.sequence,
        subscriber.state,
        *(phone.index if phone else None, (phone.sealed or None) if phone else None),
        *(user.index if user else None, (user.sealed or None) if user else None),
        *(subscriber.started_at or (None, None)),
        *(subscriber.ended_at or (None, None)),
        sorted(subscriber.places),
        subscriber.paused_until,
        *(subscriber.chosen_at or (None, None)),
        subscriber.merged_into,
        sorted(subscriber.suspended),
        subscriber.preferred_at,
        *(subscriber.paused_at or (None, None)),
        msgspec.json.encode(subscriber.topic_times).decode(),
        *(subscriber.placed_at or (None, None)),
    )

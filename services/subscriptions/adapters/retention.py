"""Deletion: by retention rules, by the database's clock, and of a person in the transaction that decides it.

docs/datenschutz.md states the same periods.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from services.subscriptions.domain.county import County
from services.subscriptions.domain.privacy import (
    CONVERSATION_RETENTION_DAYS,
    INBOX_RETENTION_DAYS,
    PERSONAL_ANSWER_RETENTION_DAYS,
    ErasureScope,
)
from services.subscriptions.domain.subscriber import MessageTime
from shared.database.pool import Connection
from shared.database.retention import RetentionRule, build_row_rule

INBOX_RETENTION = timedelta(days=INBOX_RETENTION_DAYS)
# Promised to integrators: within this time the same event gets the same answer.
NOTICE_EVENT_RETENTION = timedelta(days=90)


def build_retention_rules(county: County) -> Mapping[str, RetentionRule]:
    """Return the rules for every kind of data that is not kept for ever."""
    proof = timedelta(days=county.proof_days)
    talk, answers = timedelta(days=CONVERSATION_RETENTION_DAYS), timedelta(days=PERSONAL_ANSWER_RETENTION_DAYS)
    feedback, letters = timedelta(days=county.feedback_days), timedelta(days=county.dead_letter_days)
    return {
        "inbox": build_row_rule(INBOX_RETENTION, "subscriptions.inbox", "message_key", "handled_at"),
        "personal_answer": RetentionRule(answers, _CLEAR_ANSWERS, _OLDEST_ANSWER),
        "conversation": build_row_rule(talk, "subscriptions.conversation", "address_index", "counted_at"),
        "notice_event": build_row_rule(
            NOTICE_EVENT_RETENTION, "subscriptions.notice_event", "source, event", "handled_at"
        ),
        "feedback": build_row_rule(feedback, "subscriptions.feedback", "id", "at"),
        "dead_letter": build_row_rule(letters, "subscriptions.dead_letter", "id", "failed_at"),
        "trial": build_row_rule(timedelta(days=1), "subscriptions.trial", "draft", "ends_at"),
        "erasure": build_row_rule(proof, "subscriptions.erasure", "address_index", "erased_on"),
        "former_subscriber": RetentionRule(proof, _FORMER, _OLDEST_FORMER),
        "consent": RetentionRule(proof, "select subscriptions.forget_proofs($1, $2::integer)"),
    }


# The answer to "Daten" repeats a person's words; once Meta has it, it is not needed any more.
_CLEAR_ANSWERS = r"""
    with old as (
        select message_key from subscriptions.inbox
        where result = 'shown' and handled_at < now() - $1::interval and publications <> '\x90' limit $2),
    gone as (
        update subscriptions.inbox set publications = '\x90' where message_key in (select message_key from old)
        returning true)
    select count(*) from gone
"""
_OLDEST_ANSWER = r"""
    select min(handled_at) from subscriptions.inbox where result = 'shown' and publications <> '\x90'
"""
_FORMER = """
    with old as (
        select id from subscriptions.subscriber
        where state <> 'subscribed' and greatest(ended_at, started_at, created_at) < now() - $1::interval limit $2),
    gone as (
        delete from subscriptions.subscriber where id in (select id from old) returning true)
    select count(*) from gone
"""
_OLDEST_FORMER = """
    select min(greatest(ended_at, started_at, created_at)) from subscriptions.subscriber where state <> 'subscribed'
"""


_PEOPLE = """
    with recursive person as (
        select id from subscriptions.subscriber where id = any($1) or phone_index = any($2) or user_index = any($2)
        union select s.id from subscriptions.subscriber s join person on s.merged_into = person.id)
    delete from subscriptions.subscriber where id in (select id from person)
"""
# What was published about the person is deleted; that the messages were handled must stay known, or Meta's redelivery
# of an old "Start" would subscribe again.
_INBOX = """
    update subscriptions.inbox set publications = $2 where senders && $1 and publications <> $2
"""
# It alone names the subscriber that must not be sent anything; its own message may be a dead letter, which is deleted.
_UNPUBLISHED = """
    select publications from subscriptions.inbox
    where senders && $1 and publications <> $2 and result = 'erased' order by handled_at
"""
_LEFT = """
    insert into subscriptions.erasure (address_index, erased_on)
    select unnest($1::bytea[]), ($2::timestamptz at time zone 'UTC')::date
    on conflict (address_index) do update set erased_on = excluded.erased_on
"""
# The inbox has the exact time as long as an older message may still arrive; from then on the day is enough.
_LAST = """
    select erased_at, received_at from subscriptions.inbox where senders && $1 and erased_at is not null
    union all
    select erased_on::timestamp at time zone 'UTC', erased_on::timestamp at time zone 'UTC'
    from subscriptions.erasure where address_index = any($1)
    order by 1 desc, 2 desc limit 1
"""
# In the order of the sorted keys, so that two replicas with the same two addresses cannot deadlock.
_LOCK = "select pg_advisory_xact_lock(key) from unnest($1::bigint[]) as key"
NO_PUBLICATIONS = b"\x90"  # an empty list in MessagePack


async def list_unpublished(connection: Connection, erased: ErasureScope) -> list[bytes]:
    """Return what earlier erasures of the person have not published yet, encoded: this one has to publish it."""
    rows = await connection.fetch(_UNPUBLISHED, (*erased.indexes, *erased.former), NO_PUBLICATIONS)
    return [row["publications"] for row in rows]


async def erase_person(connection: Connection, erased: ErasureScope) -> None:
    """Delete everything but the consent record, which identifies nobody."""
    await connection.execute(_PEOPLE, erased.subscribers, erased.indexes)
    everywhere = (*erased.indexes, *erased.former)
    await connection.execute("delete from subscriptions.conversation where address_index = any($1)", everywhere)
    await connection.execute("delete from subscriptions.feedback where author = any($1)", erased.authors)
    await connection.execute(_INBOX, everywhere, NO_PUBLICATIONS)
    await connection.execute("delete from subscriptions.dead_letter where senders && $1", everywhere)
    await connection.execute(_LEFT, erased.indexes, erased.moment.at)


async def find_last_erasure(connection: Connection, indexes: Sequence[bytes]) -> MessageTime | None:
    """Return when a person with one of these blind indexes last had everything deleted; None if never."""
    row = await connection.fetchrow(_LAST, indexes)
    return MessageTime(*row) if row else None


async def lock_people(connection: Connection, indexes: Sequence[bytes]) -> None:
    """Prevent any other decision about these people until the transaction ends."""
    keys = sorted({int.from_bytes(index[:8], "big", signed=True) for index in indexes})
    await connection.execute(_LOCK, keys)

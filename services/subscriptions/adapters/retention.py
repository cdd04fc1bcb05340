"""Deletion: by retention rules and the database's clock, and of a person, in the transaction that decides on it.

docs/datenschutz.md states the same periods.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

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
    """Return the rules for all kinds of data that are not kept forever."""
    proof = timedelta(days=county.proof_days)
    conversation, answers = timedelta(days=CONVERSATION_RETENTION_DAYS), timedelta(days=PERSONAL_ANSWER_RETENTION_DAYS)
    feedback, letters = timedelta(days=county.feedback_days), timedelta(days=county.dead_letter_days)
    return {
        "inbox": build_row_rule(INBOX_RETENTION, "subscriptions.inbox", "message_key", "handled_at"),
        "personal_answer": RetentionRule(answers, _CLEAR_ANSWERS, _OLDEST_ANSWER),
        "conversation": build_row_rule(conversation, "subscriptions.conversation", "address_index", "counted_at"),
        "notice_event": build_row_rule(
            NOTICE_EVENT_RETENTION, "subscriptions.notice_event", "source, event", "handled_at"
        ),
        "feedback": build_row_rule(feedback, "subscriptions.feedback", "id", "at"),
        "dead_letter": build_row_rule(letters, "subscriptions.dead_letter", "id", "failed_at"),
        "trial": build_row_rule(timedelta(days=1), "subscriptions.trial", "draft", "ends_at"),
        "erasure": build_row_rule(proof, "subscriptions.erasure", "address_index", "erased_on"),
        "former_subscriber": RetentionRule(proof, _PURGE_FORMER, _OLDEST_FORMER),
        "consent": RetentionRule(proof, "select subscriptions.purge_proofs($1, $2::integer)"),
    }


# The answer to "Daten" repeats a person's words; it is not needed once Meta has it.
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
# A row that was merged into another one belongs to a person as long as that one exists.
_FORMER = """
    from subscriptions.subscriber former
    where state <> 'subscribed' and not exists (
        select from subscriptions.subscriber kept where kept.id = former.merged_into)
"""
# Compared again while deleting: the person may have subscribed since the row was found.
_PURGE_FORMER = f"""
    with old as (
        select id {_FORMER} and greatest(ended_at, started_at, created_at) < now() - $1::interval limit $2),
    gone as (
        delete from subscriptions.subscriber where id in (select id from old)
            and greatest(ended_at, started_at, created_at) < now() - $1::interval
        returning true)
    select count(*) from gone
"""
_OLDEST_FORMER = f"select min(greatest(ended_at, started_at, created_at)) {_FORMER}"
_DELETE_PEOPLE = """
    with recursive person as (
        select id from subscriptions.subscriber where id = any($1) or phone_index = any($2) or user_index = any($2)
        union select s.id from subscriptions.subscriber s join person on s.merged_into = person.id)
    delete from subscriptions.subscriber where id in (select id from person)
"""
# Another person who has since got an address that this one gave up writes from a second address too, such as a user id.
_IS_THEIRS = "(senders <@ $1 or not senders && $2)"
# What was published about the person is deleted, but not another's withdrawal, which may not be published yet. The
# message keys stay, or Meta's redelivery of an old "Start" would subscribe the person again.
_CLEAR_INBOX = f"""
    update subscriptions.inbox set publications = $3 where senders && $1 and publications <> $3
        and (result not in ('ended', 'topics_removed') or {_IS_THEIRS})
"""
# Only these name the subscriber who must not be sent anything; the message itself may be a dead letter to be deleted.
_UNPUBLISHED = """
    select publications from subscriptions.inbox
    where senders && $1 and publications <> $2 and result = 'erased' order by handled_at
"""
_DELETE_LETTERS = f"delete from subscriptions.dead_letter where senders && $1 and {_IS_THEIRS}"
_RECORD_ERASURE = """
    insert into subscriptions.erasure (address_index, erased_on)
    select unnest($1::bytea[]), ($2::timestamptz at time zone 'UTC')::date
    on conflict (address_index) do update set erased_on = excluded.erased_on
"""
# The inbox has the exact time as long as an older message may still arrive; after that, the day is precise enough.
_LAST_ERASURE = """
    select erased_at, received_at from subscriptions.inbox where senders && $1 and erased_at is not null
    union all
    select erased_on::timestamp at time zone 'UTC', erased_on::timestamp at time zone 'UTC'
    from subscriptions.erasure where address_index = any($1)
    union all
    -- An erased person had the address until they moved; who has it now may be somebody else. Both rows of the move are
    -- of one transaction.
    select said_at, consent.received_at from subscriptions.inbox moved join subscriptions.consent
        on recorded_at = handled_at and consent.message_key = moved.message_key and event = 'moved'
    where $2::timestamptz is not null and senders && $1 and result = 'moved' and said_at >= $2
        and not exists (select from subscriptions.subscriber where id = subscriber_id)
    order by 1 desc, 2 desc limit 1
"""
# In the order of the keys, so that two replicas with the same two addresses cannot deadlock.
_LOCK_PEOPLE = "select pg_advisory_xact_lock(key) from unnest($1::bigint[]) as key"
NO_PUBLICATIONS = b"\x90"  # an empty list in MessagePack


async def list_unpublished(connection: Connection, scope: ErasureScope) -> list[bytes]:
    """Return the encoded unpublished publications of earlier erasures, which this erasure has to publish."""
    rows = await connection.fetch(_UNPUBLISHED, (*scope.indexes, *scope.former_indexes), NO_PUBLICATIONS)
    return [row["publications"] for row in rows]


async def erase_person(connection: Connection, scope: ErasureScope) -> None:
    """Delete everything but the consent record, which identifies nobody."""
    await connection.execute(_DELETE_PEOPLE, scope.subscribers, scope.indexes)
    all_indexes = (*scope.indexes, *scope.former_indexes)
    await connection.execute("delete from subscriptions.conversation where address_index = any($1)", all_indexes)
    await connection.execute("delete from subscriptions.feedback where author = any($1)", scope.authors)
    await connection.execute(_CLEAR_INBOX, all_indexes, scope.given_up, NO_PUBLICATIONS)
    await connection.execute(_DELETE_LETTERS, all_indexes, scope.given_up)
    await connection.execute(_RECORD_ERASURE, scope.indexes, scope.moment.at)


async def find_last_erasure(
    connection: Connection, indexes: Sequence[bytes], sent_at: datetime | None = None
) -> MessageTime | None:
    """Return when a person with one of these blind indexes last had everything deleted; None if never.

    Somebody who had one of them at `sent_at`, and had everything deleted after a move, counts until that move.
    """
    row = await connection.fetchrow(_LAST_ERASURE, indexes, sent_at)
    return MessageTime(*row) if row else None


async def lock_people(connection: Connection, indexes: Sequence[bytes]) -> None:
    """Prevent any other decision about these people until the transaction ends."""
    keys = sorted({int.from_bytes(index[:8], "big", signed=True) for index in indexes})
    await connection.execute(_LOCK_PEOPLE, keys)

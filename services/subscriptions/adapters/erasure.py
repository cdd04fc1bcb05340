"""Deletion of a person in the transaction that decides it, and the record that remains."""

from collections.abc import Sequence

from services.subscriptions.domain.erasure import ErasureScope
from services.subscriptions.domain.subscriber import MessageTime
from shared.database.pool import Connection

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

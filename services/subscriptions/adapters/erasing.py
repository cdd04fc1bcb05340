"""Deleting a person, in the transaction that decides it."""

from services.subscriptions.domain.erasure import Erased
from shared.database.pool import Connection

_PEOPLE = """
    with recursive person as (
        select id from subscriptions.subscriber where id = any($1) or phone_index = any($2) or user_index = any($2)
        union select s.id from subscriptions.subscriber s join person on s.merged_into = person.id)
    delete from subscriptions.subscriber where id in (select id from person)
"""
# What was published about the person goes; that the messages were handled has to stay known, or Meta's next
# delivery of an old "Start" would subscribe again.
_INBOX = """
    update subscriptions.inbox set publications = $2 where senders && $1 and publications <> $2
"""
_LEFT = """
    insert into subscriptions.erasure select unnest($1::bytea[]), $2, $3
    on conflict (address_index) do update set (said_at, received_at) = (excluded.said_at, excluded.received_at)
"""
NOTHING = b"\x90"  # an empty list in MessagePack


async def erase(connection: Connection, erased: Erased) -> None:
    """All but the consent record, which names nobody."""
    await connection.execute(_PEOPLE, erased.subscribers, erased.indexes)
    everywhere = (*erased.indexes, *erased.former)
    await connection.execute("delete from subscriptions.conversation where address_index = any($1)", everywhere)
    await connection.execute("delete from subscriptions.feedback where author = any($1)", erased.authors)
    await connection.execute(_INBOX, everywhere, NOTHING)
    await connection.execute(_LEFT, erased.indexes, *erased.moment)

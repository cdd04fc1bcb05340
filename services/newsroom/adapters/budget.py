"""This month's budget of messages: what the ledger has used, and what is promised to notices under way."""

from services.newsroom.domain.sending import MonthBudget, SendingNumber, find_budget
from shared.database.pool import Connection

_LOCK = "select pg_advisory_xact_lock(hashtextextended('budget', 0))"
# What has any state but waiting is claimed, and counted by the ledger, or gets no message. A publication counts with
# its estimate until it is a broadcast, or while the broadcast's audience is known to nobody.
_PROMISED = """
    select coalesce(sum(people), 0)::int from (
        select greatest(coalesce(b.audience, p.people) - coalesce(s.settled, 0), 0) as people
        from newsroom.broadcast b left join newsroom.publication p on p.broadcast = b.id cross join lateral (
            select sum(value::int) as settled from jsonb_each_text(b.states) where key <> 'waiting') s
        where b.accepted_at > now() - interval '31 days' and b.finished_at is null and b.cancelled_at is null
        union all
        select people from newsroom.publication
        where state <> 'rejected' and broadcast is null and confirmed_at is null
            and created_at > now() - interval '31 days') promised
"""


async def fetch_numbers(connection: Connection) -> tuple[SendingNumber, ...]:
    return tuple(SendingNumber(**row) for row in await connection.fetch("select * from dispatcher.read_limits()"))


async def fetch_budget(connection: Connection) -> MonthBudget | None:
    """Return what is left; None if messages are not limited."""
    promised = int(await connection.fetchval(_PROMISED))
    return find_budget(await fetch_numbers(connection), promised)


async def lock_budget(connection: Connection) -> MonthBudget | None:
    """Return what is left, which nobody else can promise until the end of the transaction."""
    await connection.execute(_LOCK)
    return await fetch_budget(connection)

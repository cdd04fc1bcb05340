"""A month's budget of messages: what the ledger has used, and what is promised to notices under way."""

from datetime import datetime

from services.newsroom.domain.sending import MonthBudget, SendingNumber, find_budget
from shared.database.pool import Connection

_LOCK = "select pg_advisory_xact_lock(hashtextextended('budget', 0))"
# What has any state but waiting is claimed, and counted by the ledger, or gets no message. A publication counts with
# its estimate until it is a broadcast, or while the broadcast's audience is known to nobody. Each counts in the month
# in which it begins, which is this one if it should have begun. The month is null if it is this one.
_PROMISED = """
    with asked as (
        select date_trunc('month', greatest($1::timestamptz, now()) at time zone 'Europe/Berlin') as month
    ), unfinished as (
        select b.accepted_at as told_at, b.scheduled_at,
            greatest(coalesce(b.audience, p.people) - coalesce(s.settled, 0), 0) as people
        from newsroom.broadcast b left join newsroom.publication p on p.broadcast = b.id cross join lateral (
            select sum(value::int) as settled from jsonb_each_text(b.states) where key <> 'waiting') s
        where b.finished_at is null and b.cancelled_at is null and not exists (
            select from dispatcher.list_stops() stop where stop.broadcast = b.id and stop.cause = 'cancelled')
        union all
        select created_at, (body -> 'data' ->> 'scheduled_at')::timestamptz, people
        from newsroom.publication where state <> 'rejected' and broadcast is null and confirmed_at is null
    )
    select coalesce(sum(people) filter (
            where greatest(told_at, scheduled_at) > now() - interval '31 days'
                and date_trunc('month', greatest(scheduled_at, now()) at time zone 'Europe/Berlin') = month
        ), 0)::int as promised,
        nullif(month, date_trunc('month', now() at time zone 'Europe/Berlin'))::date as month
    from asked left join unfinished on true group by asked.month
"""


async def fetch_numbers(connection: Connection) -> tuple[SendingNumber, ...]:
    return tuple(SendingNumber(**row) for row in await connection.fetch("select * from dispatcher.read_limits()"))


async def fetch_budget(connection: Connection, at: datetime | None = None) -> MonthBudget | None:
    """Return what is left of the budget of the month of a moment, at the earliest this one; None without a limit."""
    (row,) = await connection.fetch(_PROMISED, at)
    return find_budget(await fetch_numbers(connection), row["promised"], row["month"])


async def lock_budget(connection: Connection) -> None:
    """Let nobody else promise anything until the end of the transaction."""
    await connection.execute(_LOCK)

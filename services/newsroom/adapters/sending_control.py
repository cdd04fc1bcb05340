"""Access to the ledger, only by database functions granted to the newsroom's role (decision 0036)."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import asyncpg

from services.newsroom.adapters.audit import record_act
from services.newsroom.domain.audit import Act
from services.newsroom.domain.sending import (
    BroadcastChange,
    DeadLetterCount,
    MonthBudget,
    SendingChange,
    SendingNumber,
    SendingOverview,
    SendingRefused,
    TemplatePause,
    TemplateReport,
    WaitingCount,
    find_budget,
)
from shared.database.pool import Connection, Database

MAX_TRIALS_PER_HOUR = 10
# Serializes requests of an account from several windows.
_LOCK_TRIALS = "select pg_advisory_xact_lock(hashtextextended('trial ' || $1::uuid::text, 0))"
_COUNT_TRIALS = """
    select count(*) from newsroom.audit
    where at > now() - interval '1 hour' and account = $1 and action = 'draft.tried'
"""
_OFFER_TRIAL = "select subscriptions.offer_trial($1, $2, $3)"
_KEYS_UNCONFIRMED = (
    "Die Datenbank wurde aus einer Sicherung wiederhergestellt, und ihre Schlüssel sind noch nicht geprüft. Ein „Stop“"
    " fände vielleicht niemanden. Wer das System betreibt, prüft sie mit „kreisfunk keys status“."
)
_NUMBERS = """
    select number, ceiling, permitted, paused_reason, paused_by_operator, people_a_day, people, messages_a_month,
        messages, unreachable_since
    from dispatcher.read_limits()
"""
_UNFINISHED = ("running", "template_paused", "paused")
# For each change: the statement, which returns the broadcast's previous standing and how many people will get the
# message again, and the standings that permit the change.
_BROADCAST_CHANGES: Mapping[BroadcastChange, tuple[str, Collection[str]]] = {
    BroadcastChange.PAUSE: ("select dispatcher.pause_broadcast($1, $2), 0", _UNFINISHED),
    BroadcastChange.RESUME: ("select dispatcher.resume_broadcast($1), 0", ("paused",)),
    # Ends both the expansion and the sending.
    BroadcastChange.CANCEL: (
        """
        select case when expansion = 'expanding' or before = 'missing' then coalesce(expansion, before) else before end,
            0
        from subscriptions.cancel_expansion($1, $2) expansion,
            dispatcher.cancel_broadcast($1, $2, expansion is not null) before
        """,
        (*_UNFINISHED, "expanding", "expanded"),
    ),
    BroadcastChange.RESEND: ("select standing, failed from dispatcher.resend_failed($1)", (*_UNFINISHED, "finished")),
}
# Each returns the number of changes.
_SENDING_CHANGES: Mapping[SendingChange, str] = {
    # Whoever has paused it first keeps the reason.
    SendingChange.PAUSE: """
        select coalesce(sum(dispatcher.pause_sending($1, number)), 0) from dispatcher.read_limits()
        where not paused_by_operator
    """,
    SendingChange.RESUME: "select dispatcher.resume_sending(null)",
    SendingChange.RESUME_TEMPLATE: "select dispatcher.resume_template($1)",
    SendingChange.REPLAY: "select subscriptions.replay_dead_letters(null)",
}

_LOCK_BUDGET = "select pg_advisory_xact_lock(hashtextextended('budget', 0))"
# Deliveries in any state but waiting are already counted by the ledger, or get no message. A publication counts with
# its estimate until it is a broadcast with a known audience. Each counts in the month in which it begins, an overdue
# one in this month. A null month means this one. What revisions of the notice $3 of the source $2 still have to
# send does not count: a correction stops them.
_PROMISED = """
    with requested as (
        select date_trunc('month', greatest($1::timestamptz, now()) at time zone 'Europe/Berlin') as month
    ), unfinished as (
        select b.accepted_at as known_at, b.scheduled_at,
            greatest(coalesce(b.audience, p.people) - coalesce(s.settled, 0), 0) as people
        from newsroom.broadcast b left join newsroom.publication p on p.broadcast = b.id cross join lateral (
            select sum(value::int) as settled from jsonb_each_text(b.states) where key <> 'waiting') s
        where b.finished_at is null and b.cancelled_at is null
            and not coalesce(b.source = $2::text and b.notice = $3::text, false) and not exists (
            select from dispatcher.list_stops() stop where stop.broadcast = b.id and stop.cause = 'cancelled')
        union all
        select created_at, (body -> 'data' ->> 'scheduled_at')::timestamptz, people
        from newsroom.publication where state <> 'rejected' and broadcast is null and confirmed_at is null
            and not coalesce(body ->> 'source' = $2::text and body ->> 'subject' = $3::text, false)
    )
    select coalesce(sum(people) filter (
            where greatest(known_at, scheduled_at) > now() - interval '31 days'
                and date_trunc('month', greatest(scheduled_at, now()) at time zone 'Europe/Berlin') = month
        ), 0)::int as promised,
        nullif(month, date_trunc('month', now() at time zone 'Europe/Berlin'))::date as month
    from requested left join unfinished on true group by requested.month
"""


class PostgresSendingControl:
    """Interface to read and change sending. Changes are stored together with their acts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read_overview(self) -> SendingOverview:
        waiting = await self._database.fetch("select * from dispatcher.count_waiting()")
        reports = await self._database.fetch("select * from dispatcher.list_template_reports()")
        dead_letters = await self._database.fetchrow(
            "select letters as number, oldest, replaying from subscriptions.count_dead_letters()"
        )
        return replace(
            await self.read_limits(),
            waiting=tuple(WaitingCount(**row) for row in waiting),
            reports=tuple(TemplateReport(**row) for row in reports),
            dead_letters=DeadLetterCount(**dead_letters),
        )

    async def read_limits(self) -> SendingOverview:
        """Return only the numbers and the paused templates."""
        async with self._database.connection() as connection:
            pauses = await connection.fetch("select * from dispatcher.list_template_pauses()")
            return SendingOverview(
                numbers=await _fetch_numbers(connection), templates=tuple(TemplatePause(**row) for row in pauses)
            )

    async def read_budget(
        self, sent_at: datetime | None = None, source: str | None = None, corrected: str | None = None
    ) -> MonthBudget | None:
        """Return the budget of the month of `sent_at`, by default of this month; None if unlimited.

        It allows for all that is promised, but for the notice `corrected` of the source: a correction stops that.
        """
        async with self._database.connection() as connection:
            return await fetch_budget(connection, sent_at, source, corrected)

    async def change_broadcast(
        self, change: BroadcastChange, broadcast: UUID, reason: str, act: Act, permit: Callable[[int], None]
    ) -> str | None:
        """Change the broadcast, unless `permit` raises for the number of people who would get a message again.

        Return the standing of the broadcast in the ledger if that does not permit the change, otherwise None.
        """
        statement, permitted_standings = _BROADCAST_CHANGES[change]
        arguments = (broadcast, reason) if change in (BroadcastChange.PAUSE, BroadcastChange.CANCEL) else (broadcast,)
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(statement, *arguments)
            standing, people = row or ("missing", 0)
            is_changed = standing in permitted_standings and (people > 0 or change is not BroadcastChange.RESEND)
            if people:
                permit(people)
            if not is_changed:
                return str(standing)
            detail = {**act.detail, **({"people": str(people)} if people else {})}
            await record_act(connection, replace(act, detail=detail))
        return None

    async def change_sending(self, change: SendingChange, subject: str, reason: str, act: Act) -> int:
        """Change all sending; return the number of changes. If it is 0, no act is recorded."""
        statement = _SENDING_CHANGES[change]
        arguments = {SendingChange.PAUSE: (reason,), SendingChange.RESUME_TEMPLATE: (subject,)}.get(change, ())
        try:
            async with self._database.transaction() as connection:
                changed = int(await connection.fetchval(statement, *arguments))
                if changed:
                    await record_act(connection, act)
        except asyncpg.ObjectNotInPrerequisiteStateError:
            raise SendingRefused(_KEYS_UNCONFIRMED) from None
        return changed

    async def prepare_trial(self, draft: UUID, code: str, text: str, act: Act) -> datetime | None:
        """Store the text in subscriptions for the sender of the code; return when the code expires.

        Return None if the account has reached MAX_TRIALS_PER_HOUR.
        """
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK_TRIALS, act.account)
            if await connection.fetchval(_COUNT_TRIALS, act.account) >= MAX_TRIALS_PER_HOUR:
                return None
            await record_act(connection, act)
            ends_at: datetime = await connection.fetchval(_OFFER_TRIAL, draft, code, text)
            return ends_at


async def _fetch_numbers(connection: Connection) -> tuple[SendingNumber, ...]:
    return tuple(SendingNumber(**row) for row in await connection.fetch(_NUMBERS))


async def fetch_budget(
    connection: Connection, sent_at: datetime | None, source: str | None, corrected: str | None
) -> MonthBudget | None:
    """Return the same as `read_budget`, at the earliest for this month."""
    (row,) = await connection.fetch(_PROMISED, sent_at, source, corrected)
    return find_budget(await _fetch_numbers(connection), row["promised"], row["month"])


async def lock_budget(connection: Connection) -> None:
    """Lock the budget against other transactions until the end of this one."""
    await connection.execute(_LOCK_BUDGET)

"""The ledger as the newsroom sees and changes it: by functions only, each granted to its role (decision 0036)."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import asyncpg

from services.newsroom.adapters.audit import record_act
from services.newsroom.domain.audit import Act
from services.newsroom.domain.sending import (
    BroadcastChange,
    LetterCount,
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
# Somebody may press the button in two windows at once.
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
_UNFINISHED = ("running", "held", "paused")
# For each change: the statement, which returns the broadcast's standing before and how many people will get the message
# again, and the standings that permit it.
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
# Each returns how much it has changed.
_SENDING_CHANGES: Mapping[SendingChange, str] = {
    SendingChange.PAUSE: "select dispatcher.pause_sending($1, null)",
    SendingChange.RESUME: "select dispatcher.resume_sending(null)",
    SendingChange.RESUME_TEMPLATE: "select dispatcher.resume_template($1)",
    SendingChange.REPLAY: "select subscriptions.replay_dead_letters(null)",
}

_LOCK_BUDGET = "select pg_advisory_xact_lock(hashtextextended('budget', 0))"
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


class PostgresSendingControl:
    """Interface to see and change sending. Acts are stored with what they do."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read_overview(self) -> SendingOverview:
        waiting = await self._database.fetch("select * from dispatcher.count_waiting()")
        reports = await self._database.fetch("select * from dispatcher.list_template_reports()")
        letters = await self._database.fetchrow("select * from subscriptions.count_dead_letters()")
        return replace(
            await self.read_limits(),
            waiting=tuple(WaitingCount(**row) for row in waiting),
            reports=tuple(TemplateReport(**row) for row in reports),
            letters=LetterCount(**letters),
        )

    async def read_limits(self) -> SendingOverview:
        """Return what bounds messages that are about to be sent: numbers and paused templates only."""
        async with self._database.connection() as connection:
            pauses = await connection.fetch("select * from dispatcher.list_template_pauses()")
            return SendingOverview(
                numbers=await _fetch_numbers(connection), templates=tuple(TemplatePause(**row) for row in pauses)
            )

    async def read_budget(self, at: datetime | None = None) -> MonthBudget | None:
        """Return the budget of the month of that moment, by default of this month; None without a limit."""
        async with self._database.connection() as connection:
            return await fetch_budget(connection, at)

    async def change_broadcast(
        self, change: BroadcastChange, broadcast: UUID, reason: str, act: Act, permit: Callable[[int], None]
    ) -> str | None:
        """Change it, unless `permit` raises for the number of people who would get a message again.

        Return the ledger's word for its state if that does not permit the change.
        """
        statement, fitting = _BROADCAST_CHANGES[change]
        arguments = (broadcast, reason) if change in (BroadcastChange.PAUSE, BroadcastChange.CANCEL) else (broadcast,)
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(statement, *arguments)
            standing, people = row or ("missing", 0)
            is_done = standing in fitting and (people > 0 or change is not BroadcastChange.RESEND)
            if people:
                permit(people)
            if not is_done:
                return str(standing)
            detail = {**act.detail, **({"people": str(people)} if people else {})}
            await record_act(connection, replace(act, detail=detail))
        return None

    async def change_sending(self, change: SendingChange, subject: str, reason: str, act: Act) -> int:
        """Return how much was changed; 0 is nothing, and no act."""
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
        """Leave the text with subscriptions for whoever sends the code, and return until when they may.

        Return None if the account has had MAX_TRIALS_PER_HOUR.
        """
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK_TRIALS, act.account)
            if await connection.fetchval(_COUNT_TRIALS, act.account) >= MAX_TRIALS_PER_HOUR:
                return None
            await record_act(connection, act)
            ends_at: datetime = await connection.fetchval(_OFFER_TRIAL, draft, code, text)
            return ends_at


async def _fetch_numbers(connection: Connection) -> tuple[SendingNumber, ...]:
    return tuple(SendingNumber(**row) for row in await connection.fetch("select * from dispatcher.read_limits()"))


async def fetch_budget(connection: Connection, at: datetime | None = None) -> MonthBudget | None:
    """Return what is left of the budget of the month of a moment, at the earliest this one; None without a limit."""
    (row,) = await connection.fetch(_PROMISED, at)
    return find_budget(await _fetch_numbers(connection), row["promised"], row["month"])


async def lock_budget(connection: Connection) -> None:
    """Let nobody else promise anything until the end of the transaction."""
    await connection.execute(_LOCK_BUDGET)

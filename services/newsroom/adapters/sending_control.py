"""The ledger as the newsroom sees and changes it: by functions only, each granted to its role (decision 0036)."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import asyncpg

from services.newsroom.adapters.audit import record_act
from services.newsroom.adapters.budget import fetch_budget, fetch_numbers
from services.newsroom.domain.audit import Act
from services.newsroom.domain.sending import (
    BroadcastChange,
    ChangeAnswer,
    LetterCount,
    MonthBudget,
    SendingChange,
    SendingOverview,
    SendingRefused,
    TemplatePause,
    TemplateReport,
    WaitingCount,
)
from shared.database.pool import Connection, Database

# Each returns the broadcast's standing before, and how many people will get the message again.
_PAUSE = "select dispatcher.pause_broadcast($1, $2), 0"
_RESUME = "select dispatcher.resume_broadcast($1), 0"
# Ends both the expansion and the sending.
_CANCEL = """
select case when expansion = 'expanding' or before = 'missing' then coalesce(expansion, before) else before end, 0
from subscriptions.cancel_expansion($1, $2) expansion,
    dispatcher.cancel_broadcast($1, $2, expansion is not null) before
"""
_RESEND = "select standing, failed from dispatcher.resend_failed($1)"
_KEYS_UNCONFIRMED = (
    "Die Datenbank wurde aus einer Sicherung wiederhergestellt, und ihre Schlüssel sind noch nicht geprüft. Ein „Stop“"
    " fände vielleicht niemanden. Wer das System betreibt, prüft sie mit „kreisfunk keys status“."
)
_UNFINISHED = ("running", "held", "paused")
_FITTING: Mapping[BroadcastChange, tuple[str, ...]] = {
    BroadcastChange.PAUSE: _UNFINISHED,
    BroadcastChange.RESUME: ("paused",),
    BroadcastChange.CANCEL: (*_UNFINISHED, "expanding", "expanded"),
    BroadcastChange.RESEND: (*_UNFINISHED, "finished"),
}


class PostgresSendingControl:
    """Implementation of handlers.operating.SendingControl."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read_overview(self) -> SendingOverview:
        letters = await self._database.fetchrow("select * from subscriptions.count_dead_letters()")
        async with self._database.connection() as connection:
            numbers, pauses = await fetch_numbers(connection), await _fetch_pauses(connection)
        return SendingOverview(
            numbers=numbers,
            waiting=tuple(
                WaitingCount(**row) for row in await self._database.fetch("select * from dispatcher.count_waiting()")
            ),
            templates=pauses,
            reports=tuple(
                TemplateReport(**row)
                for row in await self._database.fetch("select * from dispatcher.list_template_reports()")
            ),
            letters=LetterCount(**letters),
        )

    async def read_limits(self) -> SendingOverview:
        """Return what bounds messages that are about to be sent: numbers and paused templates only."""
        async with self._database.connection() as connection:
            return SendingOverview(numbers=await fetch_numbers(connection), templates=await _fetch_pauses(connection))

    async def read_budget(self, at: datetime | None = None) -> MonthBudget | None:
        """Return the budget of the month of that moment, by default of this month; None without a limit."""
        async with self._database.connection() as connection:
            return await fetch_budget(connection, at)

    async def change_broadcast(
        self, change: BroadcastChange, broadcast: UUID, reason: str, act: Act, permit: Callable[[int], None]
    ) -> ChangeAnswer:
        statement, *arguments = _choose_for_broadcast(change, broadcast, reason)
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(statement, *arguments)
            standing, people = row or ("missing", 0)
            is_done = standing in _FITTING[change] and (people > 0 or change is not BroadcastChange.RESEND)
            if people:
                permit(people)
            if is_done:
                detail = {**act.detail, **({"people": str(people)} if people else {})}
                await record_act(connection, replace(act, detail=detail))
            return ChangeAnswer(is_done=is_done, standing=standing)

    async def change_sending(self, change: SendingChange, subject: str, reason: str, act: Act) -> int:
        statement, *arguments = _choose_for_sending(change, subject, reason)
        try:
            async with self._database.transaction() as connection:
                changed = int(await connection.fetchval(statement, *arguments))
                if changed:
                    await record_act(connection, act)
        except asyncpg.ObjectNotInPrerequisiteStateError:
            raise SendingRefused(_KEYS_UNCONFIRMED) from None
        return changed


async def _fetch_pauses(connection: Connection) -> tuple[TemplatePause, ...]:
    found = await connection.fetch("select * from dispatcher.list_template_pauses()")
    return tuple(TemplatePause(**row) for row in found)


def _choose_for_broadcast(change: BroadcastChange, broadcast: UUID, reason: str) -> tuple[str, *tuple[object, ...]]:
    """Return the statement and its arguments."""
    match change:
        case BroadcastChange.PAUSE:
            return _PAUSE, broadcast, reason
        case BroadcastChange.RESUME:
            return _RESUME, broadcast
        case BroadcastChange.CANCEL:
            return _CANCEL, broadcast, reason
        case BroadcastChange.RESEND:
            return _RESEND, broadcast


def _choose_for_sending(change: SendingChange, subject: str, reason: str) -> tuple[str, *tuple[object, ...]]:
    """Return a statement that says how much it has changed, and its arguments."""
    match change:
        case SendingChange.PAUSE:
            return "select dispatcher.pause_sending($1, null)", reason
        case SendingChange.RESUME:
            return ("select dispatcher.resume_sending(null)",)
        case SendingChange.RESUME_TEMPLATE:
            return "select dispatcher.resume_template($1)", subject
        case SendingChange.REPLAY:
            return ("select subscriptions.replay_dead_letters(null)",)

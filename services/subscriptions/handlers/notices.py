"""What municipal systems publish: it becomes a broadcast, or comes back with every problem named."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import msgspec

from services.subscriptions.domain import announcements, rejection
from services.subscriptions.domain.county import County
from services.subscriptions.domain.orders import UNPUBLISHED, Decision, Order, Situation, Terms, decide, repeated
from services.subscriptions.domain.rejection import Named
from services.subscriptions.ports import Notices, Outlet
from shared.contracts.envelope import ContractError, Envelope, read_data
from shared.contracts.events import Problem
from shared.contracts.notices import NoticeCheck, NoticeWithdrawn
from shared.municipal.binding import AmqpMessage, read_message
from shared.municipal.identity import event_digest
from shared.municipal.reading import Unreadable, read_event
from shared.municipal.rules import (
    notice_problems,
    only_topics,
    origin_problems,
    read_notice,
    system_name,
    unreadable_problems,
)
from shared.municipal.systems import System
from shared.outcome import Done, Outcome, RetryLater
from shared.runtime.clock import Clock

UNPUBLISHED_SECONDS = 1.0
Settle = Callable[[Order, datetime, Callable[[Situation], Decision]], Awaitable[Decision]]


@dataclass(frozen=True, kw_only=True)
class NoticeDesk:
    """Handles notices. `arrived` is set when there is something new to expand."""

    notices: Notices
    outlet: Outlet
    county: County
    messages_per_second: float
    clock: Clock
    arrived: asyncio.Event
    count: Callable[[str], None]

    async def handle(self, message: AmqpMessage, *, may_wait: bool = False) -> Outcome:
        """Store, tell, and only then be done: whatever fails in between is done again. Raises DependencyAway.

        If it `may_wait`, an update of what nobody knows comes again later: another replica may have the notice.
        """
        try:
            envelope = read_message(message)
        except Unreadable as error:
            return await self._reject(self._unreadable(error, message.login), Named.unreadable(error, message.login))
        system = self.county.system(system_name(envelope, message.login))
        if envelope.type == NoticeCheck.TYPE and system is not None:
            return await self._check(envelope, system, message.login)
        decision = await self._decide(envelope, system, only_topics(envelope, message.login), self.notices.once)
        if may_wait and UNPUBLISHED in decision.problems:
            return RetryLater(UNPUBLISHED_SECONDS, "an update of an unknown notice")
        if decision.problems:
            return await self._reject(decision.problems, Named.of(envelope, system.name if system else message.login))
        return await self._tell(decision)

    def _unreadable(self, error: Unreadable, login: str | None) -> tuple[Problem, ...]:
        name = system_name(error.envelope, login) if error.envelope else None
        return unreadable_problems(error, self.county.system(name), self.county, self.clock())

    async def _check(self, question: Envelope, system: System, login: str | None) -> Outcome:
        now = self.clock()
        try:
            envelope = read_event(msgspec.json.encode(read_data(question, NoticeCheck).event))
            decision = await self._decide(envelope, system, only_topics(question, login), self.notices.preview)
        except ContractError as error:
            return await self._reject((Problem(field="data", problem=str(error)),), Named.of(question, system.name))
        except Unreadable as error:
            decision = Decision(problems=unreadable_problems(error, system, self.county, now))
        await self.outlet.publish(announcements.checked(question, decision.problems, decision.publications, now))
        self.count("checked")
        return Done()

    async def _decide(
        self, envelope: Envelope, system: System | None, only: frozenset[str] | None, settle: Settle
    ) -> Decision:
        """What was obeyed before is known by its id, even if by now it would be too late for it."""
        foreign = origin_problems(envelope, system)
        answered = None if foreign else await self.notices.answered(envelope.source, envelope.id)
        if answered is not None:
            return repeated(event_digest(envelope), answered)
        now = self.clock()
        problems = notice_problems(envelope, system, self.county, now)
        if problems or system is None:
            return Decision(problems=problems)
        hours = self.county.permitted_hours
        terms = Terms(
            now=now,
            hours=hours.permitted if hours else None,
            prices=self.county.prices,
            messages_per_second=self.messages_per_second,
        )
        order = self._order(envelope, system, only)
        return await settle(order, now, partial(decide, order, terms=terms))

    def _order(self, envelope: Envelope, system: System, only: frozenset[str] | None) -> Order:
        notice = read_notice(envelope)
        order = Order(
            envelope=envelope,
            system=system,
            digest=event_digest(envelope),
            subject=envelope.subject or "",
            only_topics=only,
        )
        if isinstance(notice, NoticeWithdrawn):
            return replace(order, reason=notice.reason)
        return replace(order, content=notice, topic=self.county.topic(notice.topic))

    async def _tell(self, decision: Decision) -> Outcome:
        if decision.broadcast:
            self.arrived.set()
        for publication in decision.publications:
            await self.outlet.publish(publication)
        self.count(_result(decision))
        return Done()

    async def _reject(self, problems: tuple[Problem, ...], named: Named) -> Outcome:
        """Nobody is told about what nobody published, as far as the broker knows: it may be an answer of ours."""
        now = self.clock()
        if named.system:
            await self.outlet.publish(rejection.told(problems, named, now))
        self.count("rejected")
        return rejection.kept(problems, named, now)


def _result(decision: Decision) -> str:
    if decision.broadcast:
        return "accepted"
    return "withdrawn" if decision.withdraw else "repeated"

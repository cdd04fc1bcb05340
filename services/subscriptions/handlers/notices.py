"""What municipal systems publish: it becomes a broadcast, or comes back with every problem named."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from services.subscriptions.domain import events
from services.subscriptions.domain.broadcast import Accepted, Notice, broadcast_of
from services.subscriptions.domain.county import County
from services.subscriptions.ports import Notices, Outlet
from shared.contracts.dispatch import PermittedHours
from shared.contracts.envelope import Envelope
from shared.contracts.events import Problem
from shared.contracts.notices import NoticeContent, NoticeWithdrawn
from shared.municipal.reading import Unreadable, read_event
from shared.municipal.rules import notice_problems, read_notice, system_name
from shared.outcome import Dead, Done, Outcome
from shared.runtime.clock import Clock

WITHDRAWN = "withdrawn"
SUPERSEDED = "superseded"


@dataclass(frozen=True, kw_only=True)
class NoticeDesk:
    """Handles notices. `arrived` is set when there is something new to expand."""

    notices: Notices
    outlet: Outlet
    county: County
    clock: Clock
    arrived: asyncio.Event
    count: Callable[[str], None]

    async def handle(self, body: bytes, login: str | None) -> Outcome:
        """`login` is the publisher as the broker vouches for it. Raises DependencyAway."""
        try:
            envelope = read_event(body)
        except Unreadable as error:
            return await self._reject(error.problems, event_id=error.event, notice=error.subject)
        system = self.county.system(system_name(envelope, login))
        problems = notice_problems(envelope, system, self.county, self.clock())
        if problems:
            return await self._reject_event(envelope, problems)
        match read_notice(envelope):
            case NoticeWithdrawn(reason=reason):
                return await self._withdraw(envelope, reason)
            case content:
                return await self._accept(envelope, _notice(envelope, content))

    async def _accept(self, envelope: Envelope, notice: Notice) -> Outcome:
        topic = self.county.topic(notice.content.topic)
        assert topic is not None  # noqa: S101 - the rules know the same topics
        broadcast = broadcast_of(notice, topic=topic, now=self.clock(), hours=self._hours)
        accepted = await self.notices.accept(broadcast)
        if accepted.stored is None:
            return await self._reject_event(envelope, _problem(accepted))
        self.arrived.set()
        for older in accepted.superseded:
            await self.outlet.publish(events.cancelled(older, SUPERSEDED, self.clock()))
        await self.outlet.publish(events.accepted(envelope.id, accepted.stored, self.clock()))
        await self.outlet.publish(events.broadcast_started(broadcast, accepted.stored))
        self.count("accepted")
        return Done()

    @property
    def _hours(self) -> PermittedHours | None:
        return self.county.permitted_hours.permitted if self.county.permitted_hours else None

    async def _withdraw(self, envelope: Envelope, reason: str) -> Outcome:
        now = self.clock()
        for broadcast in await self.notices.withdraw(envelope.source, envelope.subject or "", now, WITHDRAWN):
            await self.outlet.publish(events.cancelled(broadcast, reason or WITHDRAWN, now))
        self.count("withdrawn")
        return Done()

    async def _reject_event(self, envelope: Envelope, problems: tuple[Problem, ...]) -> Outcome:
        return await self._reject(
            problems, source=envelope.source, event_id=envelope.id, notice=(envelope.subject or "")[:100] or None
        )

    async def _reject(
        self, problems: tuple[Problem, ...], *, event_id: str, notice: str | None, source: str = ""
    ) -> Outcome:
        told = events.rejected(problems, source=source, event_id=event_id, notice=notice, now=self.clock())
        await self.outlet.publish(told)
        self.count("rejected")
        return Dead(f"rejected: {', '.join(problem.field for problem in problems)}")


def _notice(envelope: Envelope, content: NoticeContent) -> Notice:
    """The notice of an event without problems."""
    assert envelope.subject is not None  # noqa: S101 - the rules ask for both
    assert envelope.expirytime is not None  # noqa: S101
    return Notice(source=envelope.source, subject=envelope.subject, expires_at=envelope.expirytime, content=content)


def _problem(accepted: Accepted) -> tuple[Problem, ...]:
    return (accepted.problem,) if accepted.problem else ()

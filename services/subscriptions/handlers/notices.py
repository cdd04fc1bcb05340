"""What municipal systems publish: it becomes a broadcast, or comes back with every problem named."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from services.subscriptions.domain import events, rejection
from services.subscriptions.domain.broadcast import Accepted, Notice, broadcast_of
from services.subscriptions.domain.county import County
from services.subscriptions.domain.rejection import Named
from services.subscriptions.ports import Notices, Outlet
from shared.contracts.dispatch import PermittedHours
from shared.contracts.envelope import Envelope
from shared.contracts.events import Problem
from shared.contracts.notices import NoticeContent, NoticeWithdrawn
from shared.municipal.binding import AmqpMessage, read_message
from shared.municipal.reading import Unreadable
from shared.municipal.rules import notice_problems, read_notice, system_name
from shared.outcome import Done, Outcome
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

    async def handle(self, message: AmqpMessage) -> Outcome:
        """Raises DependencyAway."""
        try:
            envelope = read_message(message)
        except Unreadable as error:
            return await self._reject(error.problems, Named.unreadable(error, message.login))
        system = self.county.system(system_name(envelope, message.login))
        problems = notice_problems(envelope, system, self.county, self.clock())
        if problems:
            return await self._reject(problems, Named.of(envelope, system.name if system else message.login))
        match read_notice(envelope):
            case NoticeWithdrawn(reason=reason):
                return await self._withdraw(envelope, reason)
            case content:
                return await self._accept(envelope, _notice(envelope, content), system.name if system else None)

    async def _accept(self, envelope: Envelope, notice: Notice, system: str | None) -> Outcome:
        topic = self.county.topic(notice.content.topic)
        assert topic is not None  # noqa: S101 - the rules know the same topics
        broadcast = broadcast_of(notice, topic=topic, now=self.clock(), hours=self._hours)
        accepted = await self.notices.accept(broadcast)
        if accepted.stored is None:
            return await self._reject(_problem(accepted), Named.of(envelope, system))
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

    async def _reject(self, problems: tuple[Problem, ...], named: Named) -> Outcome:
        now = self.clock()
        await self.outlet.publish(rejection.told(problems, named, now))
        self.count("rejected")
        return rejection.kept(problems, named, now)


def _notice(envelope: Envelope, content: NoticeContent) -> Notice:
    """The notice of an event without problems."""
    assert envelope.subject is not None  # noqa: S101 - the rules ask for both
    assert envelope.expirytime is not None  # noqa: S101
    return Notice(source=envelope.source, subject=envelope.subject, expires_at=envelope.expirytime, content=content)


def _problem(accepted: Accepted) -> tuple[Problem, ...]:
    return (accepted.problem,) if accepted.problem else ()

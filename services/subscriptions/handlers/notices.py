"""What municipal systems publish: it becomes a broadcast, or comes back with every problem named."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from services.subscriptions.domain import events
from services.subscriptions.domain.broadcast import Accepted, broadcast_of, digest_of
from services.subscriptions.domain.county import County
from services.subscriptions.domain.notices import notice_problems, shape_problems
from services.subscriptions.ports import Notices, Outlet
from shared.contracts.dispatch import PermittedHours
from shared.contracts.envelope import ContractError, Envelope, read_envelope
from shared.contracts.events import Problem
from shared.contracts.notices import NoticePublished, NoticeWithdrawn
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
            envelope = read_envelope(body)
            data = msgspec.json.decode(envelope.data)
        except (ContractError, msgspec.DecodeError, UnicodeDecodeError) as error:
            return await self._reject("", None, (Problem(field="body", problem=str(error)),))
        strangers = self._origin_problems(envelope, login)
        match envelope.type:
            case NoticePublished.TYPE:
                return await self._published(envelope, data, strangers)
            case NoticeWithdrawn.TYPE:
                return await self._withdrawn(envelope, data, strangers)
            case _:
                problem = Problem(field="type", problem="unknown")
                return await self._reject(envelope.id, _name(data), (*strangers, problem))

    def _origin_problems(self, envelope: Envelope, login: str | None) -> tuple[Problem, ...]:
        if login is None:
            return (Problem(field="user_id", problem="the AMQP property must name the broker login"),)
        if not self.county.may_publish(login, envelope.source):
            return (Problem(field="source", problem="does not belong to this broker login"),)
        return ()

    async def _published(self, envelope: Envelope, data: object, strangers: tuple[Problem, ...]) -> Outcome:
        if not strangers and await self._known(envelope, data):
            return Done()
        problems = (*strangers, *notice_problems(data, self.county, self.clock()))
        if problems:
            return await self._reject(envelope.id, _name(data), problems)
        return await self._accept(envelope, msgspec.convert(data, NoticePublished))

    async def _known(self, envelope: Envelope, data: object) -> bool:
        """A notice that was accepted stays accepted, although it may have expired meanwhile."""
        if shape_problems(data, NoticePublished):
            return False
        notice = msgspec.convert(data, NoticePublished)
        stored = await self.notices.find(envelope.source, notice.notice, notice.revision)
        if stored is None or stored.digest != digest_of(notice):
            return False
        await self._accept(envelope, notice)
        return True

    async def _accept(self, envelope: Envelope, notice: NoticePublished) -> Outcome:
        topic = self.county.topic(notice.topic)
        if topic is None:  # accepted once, but the topic was taken out of the configuration
            return await self._reject(envelope.id, notice.notice, (Problem(field="topic", problem="unknown"),))
        broadcast = broadcast_of(notice, source=envelope.source, topic=topic, now=self.clock(), hours=self._hours)
        accepted = await self.notices.accept(broadcast)
        if accepted.stored is None:
            return await self._reject(envelope.id, notice.notice, _problem(accepted))
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

    async def _withdrawn(self, envelope: Envelope, data: object, strangers: tuple[Problem, ...]) -> Outcome:
        problems = (*strangers, *shape_problems(data, NoticeWithdrawn))
        if problems:
            return await self._reject(envelope.id, _name(data), problems)
        notice = msgspec.convert(data, NoticeWithdrawn)
        now = self.clock()
        for broadcast in await self.notices.withdraw(envelope.source, notice.notice, now, WITHDRAWN):
            await self.outlet.publish(events.cancelled(broadcast, notice.reason or WITHDRAWN, now))
        self.count("withdrawn")
        return Done()

    async def _reject(self, event_id: str, notice: str | None, problems: tuple[Problem, ...]) -> Outcome:
        await self.outlet.publish(events.rejected(event_id, notice, problems, self.clock()))
        self.count("rejected")
        return Dead(f"rejected: {', '.join(problem.field for problem in problems)}")


def _problem(accepted: Accepted) -> tuple[Problem, ...]:
    return (accepted.problem,) if accepted.problem else ()


def _name(data: object) -> str | None:
    """The notice's name, if it has one that may be repeated."""
    name = data.get("notice") if isinstance(data, dict) else None
    return name if isinstance(name, str) and len(name) <= 100 else None

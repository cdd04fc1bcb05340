"""What becomes of an event that we published over AMQP, from its receipt to its end."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from cli.publish.door import Unwatched
from cli.publish.sending import ANSWERS, Sender, Unanswered, answers
from services.ingress.door.domain.progress import Progress, State, after, received
from shared.contracts.envelope import ContractError, Envelope, read_envelope, read_message
from shared.contracts.events import BroadcastFinished, BroadcastProgressed, BroadcastStarted, NoticeAccepted
from shared.contracts.message import Message
from shared.runtime.clock import system_clock

if TYPE_CHECKING:
    from shared.amqp.listener import Listener

WATCHED = (*ANSWERS, BroadcastStarted, BroadcastProgressed, BroadcastFinished)
MOST_EARLY = 1000
LONG_AGO = timedelta(minutes=1)


@dataclass
class Course:
    """What is known of one event. What is said of broadcasts before we know which is ours, is kept until we do."""

    event: Envelope
    progress: Progress
    login: str
    is_repeated: bool = False
    _early: deque[Message] = field(default_factory=lambda: deque(maxlen=MOST_EARLY))

    @property
    def is_silent(self) -> bool:
        """Whether it was accepted long ago, and nothing more is known of it."""
        return self.is_repeated and self.progress.state is State.ACCEPTED

    def hear(self, message: Message, at: datetime, said_at: datetime | None = None) -> bool:
        """Whether it was about our event. What was obeyed before is answered with the words, and the time, of then."""
        if isinstance(message, NoticeAccepted) and answers(message, self.event, self.login):
            self.is_repeated = said_at is not None and said_at < at - LONG_AGO
            self._apply(message, at)
            for earlier in [one for one in self._early if self._is_of_ours(one)]:
                self._apply(earlier, at)
            return True
        if answers(message, self.event, self.login) or self._is_of_ours(message):
            self._apply(message, at)
            return True
        if self.progress.broadcast is None:
            self._early.append(message)
        return False

    def _apply(self, message: Message, at: datetime) -> None:
        self.progress = after(message, self.progress, at)

    def _is_of_ours(self, message: Message) -> bool:
        broadcast = getattr(message, "broadcast", None)
        return isinstance(broadcast, UUID) and broadcast == self.progress.broadcast


async def follow(sender: Sender, body: bytes, *, seconds: float) -> AsyncIterator[Progress]:
    """Publish it, and tell each change until the last. Raises Unanswered, BrokerAway, Unroutable."""
    event = read_envelope(body)
    course = Course(event, received(event.source, event.id, event.subject or "", system_clock()), sender.settings.login)
    async with sender.published(body) as listener:
        yield course.progress
        while not course.progress.is_final:
            await _next(listener, course, seconds)
            yield course.progress


async def _next(listener: "Listener", course: Course, seconds: float) -> None:
    """Return after a change. The first has to come within `seconds`; for one that was obeyed before, so has the next.

    Of what is new, later changes take as long as they take.
    """
    limit = seconds if course.progress.state is State.RECEIVED or course.is_silent else None
    try:
        async with asyncio.timeout(limit):
            while True:
                said = _read(await listener.receive())
                if said is not None and course.hear(said[0], system_clock(), said[1]):
                    return
    except TimeoutError:
        if course.progress.state is State.RECEIVED:
            raise Unanswered(seconds) from None
        raise Unwatched(f"It was accepted before, and nobody has said more of it for {seconds:g} s.") from None


def _read(body: bytes) -> tuple[Message, datetime] | None:
    """What is said, and when it was; None for what concerns nobody who watches, or is of a later version."""
    try:
        envelope = read_envelope(body)
        message = read_message(envelope)
    except ContractError:
        return None
    return (message, envelope.time) if isinstance(message, WATCHED) else None

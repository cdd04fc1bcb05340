"""What becomes of an event that we published over AMQP, from its receipt to its end."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from cli.publish.sending import ANSWERS, Sender, Unanswered, answers, read
from services.ingress.door.domain.progress import Progress, State, after, received
from shared.amqp.listener import Listener
from shared.contracts.envelope import Envelope, read_envelope
from shared.contracts.events import BroadcastFinished, BroadcastProgressed, BroadcastStarted, NoticeAccepted
from shared.contracts.message import Message
from shared.runtime.clock import system_clock

WATCHED = (*ANSWERS, BroadcastStarted, BroadcastProgressed, BroadcastFinished)
MOST_EARLY = 1000


@dataclass
class Course:
    """What is known of one event. What is said of broadcasts before we know which is ours, is kept until we do."""

    event: Envelope
    progress: Progress
    _early: deque[Message] = field(default_factory=lambda: deque(maxlen=MOST_EARLY))

    def hear(self, message: Message, at: datetime) -> bool:
        """Whether it was about our event."""
        if isinstance(message, NoticeAccepted) and answers(message, self.event):
            self._apply(message, at)
            for earlier in [one for one in self._early if self._is_of_ours(one)]:
                self._apply(earlier, at)
            return True
        if answers(message, self.event) or self._is_of_ours(message):
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
    course = Course(event, received(event, system_clock()))
    async with sender.published(body, [kind.KEY for kind in WATCHED]) as listener:
        yield course.progress
        while not course.progress.is_final:
            await _next(listener, course, seconds if course.progress.state is State.RECEIVED else None)
            yield course.progress


async def _next(listener: Listener, course: Course, seconds: float | None) -> None:
    """Return after a change; the first has to come within `seconds`, later ones take as long as they take."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = read(await listener.receive())
                if isinstance(message, WATCHED) and course.hear(message, system_clock()):
                    return
    except TimeoutError:
        assert seconds is not None  # noqa: S101 - without a limit there is no timeout
        raise Unanswered(seconds) from None

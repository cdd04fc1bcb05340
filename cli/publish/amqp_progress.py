"""Progress of an event published over AMQP, from its receipt to its end."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from cli.publish.amqp_client import ANSWER_TYPES, AmqpClient, NoAnswerError, is_answer_to
from cli.publish.http_client import ProgressUnavailable
from services.ingress.notices.progress import EventProgress, EventState, apply_message, start_progress
from shared.contracts.envelope import ContractError, Envelope, read_envelope, read_message
from shared.contracts.events import BroadcastFinished, BroadcastProgressed, BroadcastStarted, NoticeAccepted
from shared.contracts.message import Message
from shared.runtime.clock import system_clock

if TYPE_CHECKING:
    from shared.amqp.listener import Listener

OBSERVED_TYPES = (*ANSWER_TYPES, BroadcastStarted, BroadcastProgressed, BroadcastFinished)
MAX_EARLY_MESSAGES = 1000
MIN_REPEAT_AGE = timedelta(minutes=1)


@dataclass
class TrackedEvent:
    """Progress of one event. Messages about broadcasts that come before we know ours are kept until then."""

    event: Envelope
    progress: EventProgress
    login: str
    is_repeated: bool = False
    _early: deque[Message] = field(default_factory=lambda: deque(maxlen=MAX_EARLY_MESSAGES))

    @property
    def is_stalled(self) -> bool:
        """True if it was accepted in an earlier attempt, and nothing more is known."""
        return self.is_repeated and self.progress.state is EventState.ACCEPTED

    def apply_message(self, message: Message, at: datetime, said_at: datetime | None = None) -> bool:
        """Return whether the message was about our event.

        A repeated event is answered with the original answer and its original time (`said_at`).
        """
        if isinstance(message, NoticeAccepted) and is_answer_to(message, self.event, self.login):
            self.is_repeated = said_at is not None and said_at < at - MIN_REPEAT_AGE
            self._update_progress(message, at)
            for earlier in [one for one in self._early if self._is_of_ours(one)]:
                self._update_progress(earlier, at)
            return True
        if is_answer_to(message, self.event, self.login) or self._is_of_ours(message):
            self._update_progress(message, at)
            return True
        if self.progress.broadcast is None:
            self._early.append(message)
        return False

    def _update_progress(self, message: Message, at: datetime) -> None:
        self.progress = apply_message(message, self.progress, at)

    def _is_of_ours(self, message: Message) -> bool:
        broadcast = getattr(message, "broadcast", None)
        return isinstance(broadcast, UUID) and broadcast == self.progress.broadcast


async def follow(sender: AmqpClient, body: bytes, *, seconds: float) -> AsyncIterator[EventProgress]:
    """Publish the event and yield each change until the last. Raises NoAnswerError, BrokerUnavailable, Unroutable."""
    event = read_envelope(body)
    course = TrackedEvent(
        event, start_progress(event.source, event.id, event.subject or "", system_clock()), sender.settings.login
    )
    async with sender.publish_and_listen(body) as listener:
        yield course.progress
        while not course.progress.is_final:
            await _wait_for_change(listener, course, seconds)
            yield course.progress


async def _wait_for_change(listener: "Listener", course: TrackedEvent, seconds: float) -> None:
    """Return after a change; the first has to come within `seconds`, and for a repeated event so has the second.

    Later changes of a new event have no time limit.
    """
    limit = seconds if course.progress.state is EventState.RECEIVED or course.is_stalled else None
    try:
        async with asyncio.timeout(limit):
            while True:
                said = _decode_message(await listener.receive())
                if said is not None and course.apply_message(said[0], system_clock(), said[1]):
                    return
    except TimeoutError:
        if course.progress.state is EventState.RECEIVED:
            raise NoAnswerError(seconds) from None
        raise ProgressUnavailable(
            f"It was accepted before, and nobody has said more of it for {seconds:g} s."
        ) from None


def _decode_message(body: bytes) -> tuple[Message, datetime] | None:
    """Return a message and its time; None if it does not concern progress, or is of a later version."""
    try:
        envelope = read_envelope(body)
        message = read_message(envelope)
    except ContractError:
        return None
    return (message, envelope.time) if isinstance(message, OBSERVED_TYPES) else None

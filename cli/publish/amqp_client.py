"""Publishing of one event over AMQP, and waiting for its answer or following its progress."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID, uuid4

import msgspec

from cli.publish.results import CheckedEvent
from cli.settings import AmqpPublisherSettings, read_county
from services.ingress.notices.progress import EventProgress, EventState, apply_message, start_progress
from shared.contracts.envelope import MESSAGES, ContractError, Envelope, decode, encode, read_envelope, read_message
from shared.contracts.events import (
    BroadcastCancelled,
    BroadcastFinished,
    BroadcastProgressed,
    BroadcastStarted,
    NoticeAccepted,
    NoticeChecked,
    NoticeRejected,
)
from shared.contracts.message import Message
from shared.contracts.notices import NoticeCheck, NoticeWithdrawn
from shared.notices.cloudevents import read_event
from shared.notices.rules import validate_event
from shared.outcome import DependencyUnavailable
from shared.runtime.clock import system_clock

if TYPE_CHECKING:
    from shared.amqp.stream import Listener

OBSERVED_TYPES = (
    *(NoticeAccepted, NoticeRejected),
    *(BroadcastStarted, BroadcastProgressed, BroadcastFinished, BroadcastCancelled),
)
CHECK_TIMEOUT_SECONDS = 3.0
MAX_EARLY_MESSAGES = 1000
MIN_REPEAT_AGE = timedelta(minutes=1)

T = TypeVar("T")


class NoAnswerError(Exception):
    """The event is stored at the broker, but no answer came within `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class ProgressUnavailable(Exception):
    """The event is stored, but its progress cannot be read."""


@dataclass(frozen=True, kw_only=True)
class AmqpClient:
    """Transport over AMQP as one municipal system; `source` has to belong to its login."""

    settings: AmqpPublisherSettings
    source: str

    async def publish(self, body: bytes) -> EventProgress:
        """Return as soon as the broker has stored the event. Raises BrokerUnavailable or Unroutable."""
        async with self._publish_and_listen(body):
            return _start_progress(read_envelope(body))

    @asynccontextmanager
    async def _publish_and_listen(self, body: bytes) -> AsyncIterator["Listener"]:
        """Publish an event, and yield a listener for all messages about notices since then."""
        # Imported here, since publishing over HTTP does not need it.
        from shared.amqp.connection import connect
        from shared.amqp.publisher import open_publisher
        from shared.amqp.stream import open_listener
        from shared.amqp.topology import MUNICIPAL_EVENTS

        envelope = read_envelope(body)
        async with (
            connect(self.settings.broker_url, password=self.settings.broker_secret, name="publish") as connection,
            # Listen first: the answer may arrive before the confirm.
            open_listener(connection) as listener,
            open_publisher(connection) as publisher,
        ):
            await publisher.publish(
                MUNICIPAL_EVENTS,
                MESSAGES[envelope.type].KEY,
                body,
                message_id=envelope.id,
                user_id=self.settings.login,
            )
            yield listener

    async def check(self, body: bytes, now: datetime, *, seconds: float) -> CheckedEvent:
        """Return what would become of the event; by the county's file alone if the broker is unavailable.

        Ends the command if that file cannot be read.
        """
        county = read_county(self.settings.county)
        if problems := validate_event(body, county.find_system(self.settings.login), county, now):
            return CheckedEvent(body=body, problems=problems)
        try:
            told = await self._request_check(body, now, min(seconds, CHECK_TIMEOUT_SECONDS))
        except DependencyUnavailable:
            told = None
        problems = told.problems if told else ()
        return CheckedEvent(body=body, problems=problems, expected=told, expires_at=read_event(body).expirytime)

    async def _request_check(self, body: bytes, now: datetime, seconds: float) -> NoticeChecked | None:
        """Return what would become of an event; None without an answer in `seconds`. Raises BrokerUnavailable."""
        event = msgspec.json.decode(body, type=dict[str, Any])
        question = encode(NoticeCheck(event=event), event_id=str(uuid4()), source=self.source, time=now)
        asked = read_envelope(question).id

        def pick(message: Message) -> NoticeChecked | None:
            return message if isinstance(message, NoticeChecked) and message.event == asked else None

        async with self._publish_and_listen(question) as listener:
            return await _wait_for(listener, pick, seconds)

    async def watch(self, body: bytes, *, seconds: float) -> AsyncGenerator[EventProgress, None]:
        """Publish and yield each change until the last. Raises NoAnswerError, BrokerUnavailable, Unroutable."""
        event = read_envelope(body)
        course = TrackedEvent(event, _start_progress(event), self.settings.login)
        async with self._publish_and_listen(body) as listener:
            yield course.progress
            while not course.progress.is_final:
                await _wait_for_change(listener, course, seconds)
                yield course.progress


def _start_progress(event: Envelope) -> EventProgress:
    return start_progress(event.source, event.id, event.subject or "", system_clock())


async def _wait_for(listener: "Listener", pick: Callable[[Message], T | None], seconds: float) -> T | None:
    """Return what `pick` takes of the messages, or None after so many seconds. Those of a later version are skipped."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                with suppress(ContractError):
                    picked = pick(decode(await listener.receive()))
                    if picked is not None:
                        return picked
    return None


def is_answer_to(message: Message, event: Envelope, login: str) -> bool:
    """Return whether a message answers our event; the cancellation of its broadcast also answers a withdrawal."""
    if isinstance(message, NoticeRejected) and not message.is_for(login):
        return False
    if isinstance(message, NoticeAccepted | NoticeRejected):
        return (message.source, message.event) == (event.source, event.id)
    cancelled = isinstance(message, BroadcastCancelled) and message.notice == event.subject
    return cancelled and event.type == NoticeWithdrawn.TYPE


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
        if isinstance(message, BroadcastCancelled):
            self.progress = msgspec.structs.replace(self.progress, broadcast=message.broadcast)

    def _is_of_ours(self, message: Message) -> bool:
        broadcast = getattr(message, "broadcast", None)
        return isinstance(broadcast, UUID) and broadcast == self.progress.broadcast


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

"""Publishes one event and waits for what becomes of it."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

from cli.publish.settings import Settings
from shared.amqp.connection import connect
from shared.amqp.listener import Listener, open_listener
from shared.amqp.publisher import open_publisher
from shared.amqp.topology import EVENTS, MUNICIPAL_EVENTS
from shared.contracts.envelope import ContractError, decode, encode
from shared.contracts.events import BroadcastCancelled, NoticeAccepted, NoticeRejected
from shared.contracts.message import Message
from shared.contracts.notices import NoticePublished, NoticeUpdated, NoticeWithdrawn

ANSWERS = (NoticeAccepted, NoticeRejected, BroadcastCancelled)
_ANSWER_KEYS = [kind.KEY for kind in ANSWERS]

Answer = NoticeAccepted | NoticeRejected | BroadcastCancelled


class Unanswered(Exception):
    """The event is stored at the broker, but nobody said within `seconds` what became of it."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass(frozen=True, kw_only=True)
class Event:
    """What is published about the notice `subject`; nobody gets it after `expirytime`."""

    message: NoticePublished | NoticeUpdated | NoticeWithdrawn
    subject: str
    expirytime: datetime | None = None
    id: str = field(default_factory=lambda: str(uuid4()))

    def answered_by(self, message: Message) -> bool:
        """Whether it is about this event; what a withdrawal ends is a broadcast, so its cancellation answers, too."""
        if isinstance(message, NoticeAccepted | NoticeRejected):
            return message.event == self.id
        cancelled = isinstance(message, BroadcastCancelled) and message.notice == self.subject
        return cancelled and isinstance(self.message, NoticeWithdrawn)


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Publishes as one municipal system; `source` has to belong to its login."""

    settings: Settings
    source: str

    async def send(self, event: Event, now: datetime, *, seconds: float | None) -> Answer | None:
        """The answer that comes within `seconds`; None if we do not wait. Raises BrokerAway, Unroutable, Unanswered."""
        async with (
            connect(self.settings.broker_url, password=self.settings.broker_secret, name="publish") as connection,
            # Listening first: the answer may be there before the confirm is.
            open_listener(connection, prefix=self._own, exchange=EVENTS, keys=_ANSWER_KEYS) as listener,
            open_publisher(connection) as publisher,
        ):
            await publisher.publish(
                MUNICIPAL_EVENTS,
                event.message.KEY,
                self.body(event, now),
                message_id=event.id,
                user_id=self.settings.login,
            )
            return None if seconds is None else await _answer(listener, event, seconds)

    def body(self, event: Event, now: datetime) -> bytes:
        """The event as it is published."""
        return encode(
            event.message,
            event_id=event.id,
            source=self.source,
            time=now,
            subject=event.subject,
            expirytime=event.expirytime,
        )

    @property
    def _own(self) -> str:
        return f"municipal.{self.settings.login}"


async def _answer(listener: Listener, event: Event, seconds: float) -> Answer:
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = _read(await listener.receive())
                if isinstance(message, ANSWERS) and event.answered_by(message):
                    return message
    except TimeoutError:
        raise Unanswered(seconds) from None


def _read(body: bytes) -> Message | None:
    try:
        return decode(body)
    except ContractError:
        return None  # an event of a later version is none of ours

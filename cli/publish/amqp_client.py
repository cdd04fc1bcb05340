"""Publishing of one event over AMQP, and waiting for its answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from cli.publish.settings import Settings
from shared.contracts.envelope import ContractError, Envelope, decode, encode, read_envelope
from shared.contracts.events import BroadcastCancelled, NoticeAccepted, NoticeChecked, NoticeRejected
from shared.contracts.message import Message
from shared.contracts.notices import NoticeCheck, NoticePublished, NoticeUpdated, NoticeWithdrawn
from shared.contracts.registry import MESSAGES

if TYPE_CHECKING:
    from shared.amqp.listener import Listener

ANSWER_TYPES = (NoticeAccepted, NoticeRejected, BroadcastCancelled)

Answer = NoticeAccepted | NoticeRejected | BroadcastCancelled


class NoAnswerError(Exception):
    """The event is stored at the broker, but no answer came within `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass(frozen=True, kw_only=True)
class NoticeEvent:
    """An event about the notice `subject`; it is not delivered after `expirytime`."""

    message: NoticePublished | NoticeUpdated | NoticeWithdrawn
    subject: str
    expirytime: datetime | None = None
    id: str = field(default_factory=lambda: str(uuid4()))


@dataclass(frozen=True, kw_only=True)
class AmqpClient:
    """Client that publishes as one municipal system; `source` has to belong to its login."""

    settings: Settings
    source: str

    async def send(self, event: NoticeEvent, now: datetime, *, seconds: float | None) -> Answer | None:
        """Return the answer within `seconds`, or None. Raises BrokerUnavailable, Unroutable, NoAnswerError."""
        return await self.send_body(self.encode_event(event, now), seconds=seconds)

    async def send_body(self, body: bytes, *, seconds: float | None) -> Answer | None:
        """Do the same as `send` for an encoded event."""
        async with self.publish_and_listen(body) as listener:
            return None if seconds is None else await self._wait_for_answer(listener, read_envelope(body), seconds)

    @asynccontextmanager
    async def publish_and_listen(self, body: bytes) -> AsyncIterator["Listener"]:
        """Publish an event, and yield a listener for all messages about notices since then."""
        # Imported here, since publishing over HTTP does not need it.
        from shared.amqp.connection import connect
        from shared.amqp.listener import open_listener
        from shared.amqp.publisher import open_publisher
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

    async def request_check(self, body: bytes, now: datetime, *, seconds: float) -> NoticeChecked | None:
        """Return what would become of an event; None without an answer in `seconds`. Raises BrokerUnavailable."""
        event = msgspec.json.decode(body, type=dict[str, Any])
        question = encode(NoticeCheck(event=event), event_id=str(uuid4()), source=self.source, time=now)
        async with self.publish_and_listen(question) as listener:
            try:
                async with asyncio.timeout(seconds):
                    while True:
                        message = decode_message(await listener.receive())
                        if isinstance(message, NoticeChecked) and message.event == read_envelope(question).id:
                            return message
            except TimeoutError:
                return None

    async def _wait_for_answer(self, listener: "Listener", event: Envelope, seconds: float) -> Answer:
        try:
            async with asyncio.timeout(seconds):
                while True:
                    message = decode_message(await listener.receive())
                    if isinstance(message, ANSWER_TYPES) and is_answer_to(message, event, self.settings.login):
                        return message
        except TimeoutError:
            raise NoAnswerError(seconds) from None

    def encode_event(self, event: NoticeEvent, now: datetime) -> bytes:
        """Return the event as it is published."""
        return encode(
            event.message,
            event_id=event.id,
            source=self.source,
            time=now,
            subject=event.subject,
            expirytime=event.expirytime,
        )


def is_answer_to(message: Message, event: Envelope, login: str) -> bool:
    """Return whether a message answers our event; the cancellation of its broadcast also answers a withdrawal."""
    if isinstance(message, NoticeRejected) and not message.is_for(login):
        return False
    if isinstance(message, NoticeAccepted | NoticeRejected):
        return (message.source, message.event) == (event.source, event.id)
    cancelled = isinstance(message, BroadcastCancelled) and message.notice == event.subject
    return cancelled and event.type == NoticeWithdrawn.TYPE


def decode_message(body: bytes) -> Message | None:
    """Decode a message; None for one of a later version."""
    try:
        return decode(body)
    except ContractError:
        return None

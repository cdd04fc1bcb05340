"""Publishes one event and waits for what becomes of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import uuid4

from cli.publish.settings import Settings
from shared.amqp.connection import connect
from shared.amqp.listener import Listener, open_listener
from shared.amqp.publisher import open_publisher
from shared.amqp.topology import EVENTS, MUNICIPAL_EVENTS
from shared.contracts.envelope import ContractError, decode, encode
from shared.contracts.events import BroadcastCancelled, NoticeAccepted, NoticeRejected
from shared.contracts.message import Message
from shared.contracts.notices import NoticePublished, NoticeWithdrawn

ANSWERS = (NoticeAccepted, NoticeRejected, BroadcastCancelled)

Wanted = Callable[[Message], bool]
Answer = NoticeAccepted | NoticeRejected | BroadcastCancelled


class Unanswered(Exception):
    """The event is stored at the broker, but nobody said within `seconds` what became of it."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Wait(NamedTuple):
    """For which answer, and how long; None: not at all."""

    wanted: Wanted
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Publishes as one municipal system; `source` has to belong to its login."""

    settings: Settings
    source: str

    async def publish(self, notice: NoticePublished, now: datetime, *, seconds: float | None) -> Answer | None:
        """The answer that comes within `seconds`; None if we do not wait. Raises BrokerAway, Unroutable, Unanswered."""
        event_id = str(uuid4())
        return await self._send(event_id, notice, notice.notice, now, Wait(_about(event_id), seconds))

    async def withdraw(self, notice: NoticeWithdrawn, now: datetime, *, seconds: float | None) -> Answer | None:
        """The same; what ends is a broadcast, so the answer is its cancellation."""
        event_id = str(uuid4())
        wait = Wait(_about_or_cancelled(event_id, notice.notice), seconds)
        return await self._send(event_id, notice, notice.notice, now, wait)

    async def _send(self, event_id: str, message: Message, notice: str, now: datetime, wait: Wait) -> Answer | None:
        body = encode(message, event_id=event_id, source=self.source, time=now, subject=notice)
        keys = [kind.KEY for kind in ANSWERS]
        async with (
            connect(self.settings.broker_url, password=self.settings.broker_secret, name="publish") as connection,
            # Listening first: the answer may be there before the confirm is.
            open_listener(connection, prefix=self._own, exchange=EVENTS, keys=keys) as listener,
            open_publisher(connection) as publisher,
        ):
            await publisher.publish(
                MUNICIPAL_EVENTS, message.KEY, body, message_id=event_id, user_id=self.settings.login
            )
            return await _answer(listener, wait)

    @property
    def _own(self) -> str:
        return f"municipal.{self.settings.login}"


def _about(event_id: str) -> Wanted:
    return lambda message: isinstance(message, NoticeAccepted | NoticeRejected) and message.event == event_id


def _about_or_cancelled(event_id: str, notice: str) -> Wanted:
    about = _about(event_id)
    return lambda message: about(message) or (isinstance(message, BroadcastCancelled) and message.notice == notice)


async def _answer(listener: Listener, wait: Wait) -> Answer | None:
    if wait.seconds is None:
        return None
    try:
        async with asyncio.timeout(wait.seconds):
            while True:
                message = _read(await listener.receive())
                if isinstance(message, ANSWERS) and wait.wanted(message):
                    return message
    except TimeoutError:
        raise Unanswered(wait.seconds) from None


def _read(body: bytes) -> Message | None:
    try:
        return decode(body)
    except ContractError:
        return None  # an event of a later version is none of ours

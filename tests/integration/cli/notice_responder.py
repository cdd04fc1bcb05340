"""Responder to notices in these tests; the broker, the logins and their permissions are real."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import aio_pika
import msgspec
from aio_pika.abc import AbstractExchange, AbstractIncomingMessage

from shared.amqp import topology
from shared.contracts.envelope import CONTENT_TYPE, Envelope, encode, read_envelope, read_message
from shared.contracts.events import (
    BroadcastCancelled,
    BroadcastFinished,
    BroadcastProgressed,
    NoticeAccepted,
    NoticeAction,
    NoticeChecked,
    NoticeRejected,
    Problem,
)
from shared.contracts.message import Message
from shared.contracts.notices import NoticeCheck, NoticePublished, NoticeUpdated, NoticeWithdrawn
from tests.harness.notices_county import text_of
from tools.asyncapi import list_senders

BROADCAST = UUID("018f0000-0000-8000-8000-000000000001")
EXPECTED = NoticeChecked(
    source="/x",
    event="e",
    revision=1,
    audience=3,
    costs={"utility": "0.14"},
    duration_seconds=1,
    blockers=("outside the permitted hours until 2026-11-13T08:00:00+01:00",),
)
ONE_TO_WITHDRAW = NoticeChecked(source="/x", event="e", revision=1, action=NoticeAction.WITHDRAWN)
NONE_TO_WITHDRAW = msgspec.structs.replace(ONE_TO_WITHDRAW, revision=0, blockers=("no notice with this id is known",))
PROBLEMS = (Problem(field="topic", problem="unknown"), Problem(field="headline", problem="is blank"))
SENT_TO_ALL = (
    BroadcastProgressed(broadcast=BROADCAST, audience=3, states={"waiting": 2, "accepted": 1}),
    BroadcastFinished(broadcast=BROADCAST, audience=3, states={"accepted": 2, "failed": 1}),
)
TAKEN_BACK = (BroadcastCancelled(broadcast=BROADCAST, source="/x", notice="n", reason="withdrawn"),)


def access(url: str, token: str = "press") -> Mapping[str, str]:  # noqa: S107 (the name of one)
    return {"KREISFUNK_NOTICES_API_URL": url, "KREISFUNK_NOTICES_API_TOKEN": text_of(token)}


@dataclass
class NoticeResponder:
    """Accepts notices, except those about the topic `unknown`; `said` is what came, with the login of each.

    `outcome` is what it says of each broadcast afterwards, `expected` what it answers to questions; about a notice that
    follows another one `unknown`, if it is set.
    """

    events: AbstractExchange
    outcome: Sequence[Message] = ()
    expected: NoticeChecked = EXPECTED
    unknown: NoticeChecked | None = None
    said: list[tuple[str | None, Envelope, Message]] = field(default_factory=list)

    async def handle(self, incoming: AbstractIncomingMessage) -> None:
        envelope = read_envelope(incoming.body)
        message = read_message(envelope)
        if isinstance(message, NoticeCheck):
            expected = (self.unknown if "follows" in message.event["data"] else None) or self.expected
            await self._publish(msgspec.structs.replace(expected, source=envelope.source, event=envelope.id), envelope)
            await incoming.ack()
            return
        self.said.append((incoming.user_id, envelope, message))
        for answer in (_answer(envelope, message), *self.outcome):
            await self._publish(answer, envelope)
        await incoming.ack()

    async def _publish(self, answer: Message, envelope: Envelope) -> None:
        source = f"/kreisfunk/{list_senders(type(answer))[0]}"
        body = encode(answer, event_id=f"about-{envelope.id}", source=source, time=envelope.time)
        mode = aio_pika.DeliveryMode.PERSISTENT
        message = aio_pika.Message(body, content_type=CONTENT_TYPE, delivery_mode=mode)
        await self.events.publish(message, answer.KEY)


def _answer(envelope: Envelope, message: Message) -> Message:
    match message:
        case NoticePublished(topic="unknown"):
            return NoticeRejected(source=envelope.source, event=envelope.id, notice=envelope.subject, problems=PROBLEMS)
        case NoticePublished() | NoticeUpdated():
            return NoticeAccepted(
                source=envelope.source,
                event=envelope.id,
                notice=envelope.subject or "",
                revision=message.revision if isinstance(message, NoticeUpdated) else 1,
                broadcast=BROADCAST,
            )
        case NoticeWithdrawn():
            return NoticeAccepted(
                source=envelope.source,
                event=envelope.id,
                notice=envelope.subject or "",
                revision=1,
                action=NoticeAction.WITHDRAWN,
            )
        case _:
            raise AssertionError(envelope.type)


@asynccontextmanager
async def open_notice_responder(url: str) -> AsyncIterator[NoticeResponder]:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        responder = NoticeResponder(await channel.get_exchange(topology.EVENTS, ensure=False))
        for notices in (topology.SUBSCRIPTIONS_NOTICES, topology.SUBSCRIPTIONS_API_NOTICES):
            queue = await channel.get_queue(notices.name, ensure=False)
            await queue.consume(responder.handle)
        yield responder

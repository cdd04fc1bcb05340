"""One notices API for the tests of a module, and the queue of notices behind it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import aio_pika
import msgspec
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from shared.amqp import topology
from shared.contracts.envelope import CONTENT_TYPE, encode, read_data, read_envelope
from shared.contracts.events import NoticeAccepted, NoticeChecked, Problem
from shared.contracts.message import Message
from shared.contracts.notices import NoticeCheck
from tests.harness.notices_api import NoticesApi, run_notices_api
from tests.harness.service_login import service_login
from tests.servers import Servers

UNKNOWN = Problem(field="revision", problem="is an update of a notice that nobody knows")
PERSISTENT = aio_pika.DeliveryMode.PERSISTENT


Telling = Callable[[Message], Awaitable[None]]


def build_acceptance(sent: Mapping[str, Any], **more: Any) -> NoticeAccepted:
    """Return the answer of subscriptions to the event."""
    return NoticeAccepted(source=sent["source"], event=sent["id"], notice=sent["subject"], revision=1, **more)


@dataclass(frozen=True)
class NoticeQueue:
    """The queue that subscriptions would read."""

    channel: AbstractChannel

    async def take(self) -> list[tuple[dict[str, Any], AbstractIncomingMessage]]:
        """Take all events, each with its message."""
        queue = await self.channel.get_queue(topology.SUBSCRIPTIONS_API_NOTICES.name, ensure=False)
        taken = []
        while incoming := await queue.get(fail=False):
            await incoming.ack()
            if incoming.routing_key != NoticeCheck.KEY:
                taken.append((msgspec.json.decode(incoming.body), incoming))
        return taken


@pytest.fixture(scope="module")
async def broker_url(servers: Servers, vhost: str) -> AsyncIterator[str]:
    """The URL of a login with the rights of the notices API, on a vhost with all queues."""
    async with service_login(servers, vhost, "notices") as url:
        yield url


@pytest.fixture
async def notices(vhost: str, broker_url: str) -> AsyncIterator[NoticeQueue]:
    async with await aio_pika.connect(vhost) as connection:
        queue = NoticeQueue(await connection.channel())
        await queue.take()
        yield queue


@pytest.fixture(scope="module")
async def answering(vhost: str, broker_url: str) -> AsyncIterator[None]:
    """Answers checks of notices as subscriptions would; `unknown` is a notice that does not exist."""
    async with await aio_pika.connect(vhost) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=100)
        exchange = await channel.get_exchange(topology.EVENTS, ensure=False)

        async def answer(asked: AbstractIncomingMessage) -> None:
            await asked.ack()
            if asked.routing_key != NoticeCheck.KEY:
                return
            envelope = read_envelope(asked.body)
            event = read_data(envelope, NoticeCheck).event
            problems = (UNKNOWN,) if event["subject"] == "unknown" else ()
            checked = NoticeChecked(source=envelope.source, event=envelope.id, problems=problems, audience=3)
            body = encode(checked, event_id=uuid4().hex, source="/kreisfunk/subscriptions", time=datetime.now(UTC))
            said = aio_pika.Message(body, content_type=CONTENT_TYPE, delivery_mode=PERSISTENT)
            await exchange.publish(said, checked.KEY)

        stream = await channel.get_queue(topology.PROGRESS, ensure=False)
        await stream.consume(answer, arguments={"x-stream-offset": "next"})
        yield


@pytest.fixture(scope="module")
async def api(broker_url: str, answering: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NoticesApi]:
    async with run_notices_api(broker_url, tmp_path_factory.mktemp("notices")) as running:
        yield running


@pytest.fixture
async def tell(vhost: str, broker_url: str) -> AsyncIterator[Telling]:
    """Publishes events as subscriptions and dispatcher would."""
    async with await aio_pika.connect(vhost) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange(topology.EVENTS, ensure=False)

        async def say(message: Message) -> None:
            body = encode(message, event_id=uuid4().hex, source="/kreisfunk/tests", time=datetime.now(UTC))
            said = aio_pika.Message(body, content_type=CONTENT_TYPE, delivery_mode=PERSISTENT)
            await exchange.publish(said, message.KEY)

        yield say

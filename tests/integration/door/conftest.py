"""One door for the tests of a module, and what stands in the queue of notices behind it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aio_pika
import msgspec
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from shared.amqp import topology
from tests.integration.door.door import Door, running_door
from tests.integration.ingress.conftest import ingress_login
from tests.servers import Servers


@dataclass(frozen=True)
class NoticeQueue:
    """What subscriptions would get."""

    channel: AbstractChannel

    async def take(self) -> list[tuple[dict[str, Any], AbstractIncomingMessage]]:
        """All events, each with its message."""
        queue = await self.channel.get_queue(topology.SUBSCRIPTIONS_NOTICES.name, ensure=False)
        taken = []
        while incoming := await queue.get(fail=False):
            await incoming.ack()
            taken.append((msgspec.json.decode(incoming.body), incoming))
        return taken


@pytest.fixture(scope="module")
async def broker_url(servers: Servers, vhost: str) -> AsyncIterator[str]:
    """Of a login with the rights of the ingress, on a vhost where everything is declared."""
    async with await aio_pika.connect(vhost) as connection:
        await topology.declare(await connection.channel())
    async with ingress_login(servers, vhost) as url:
        yield url


@pytest.fixture
async def notices(vhost: str, broker_url: str) -> AsyncIterator[NoticeQueue]:
    async with await aio_pika.connect(vhost) as connection:
        queue = NoticeQueue(await connection.channel())
        await queue.take()
        yield queue


@pytest.fixture(scope="module")
async def door(broker_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    async with running_door(broker_url, tmp_path_factory.mktemp("door")) as running:
        yield running

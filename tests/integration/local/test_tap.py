"""What our services publish in tests is really looked at, and what is wrong is found."""

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from shared.amqp import topology
from shared.contracts.envelope import CONTENT_TYPE, encode
from shared.contracts.events import NoticeAccepted
from shared.contracts.message import Message
from tests.contract.schemas import EXAMPLES
from tests.integration.cli.desk import let_log_in
from tests.servers import Servers, vhost_on
from tests.tap import ContractBrokenError, tapped

ACCEPTED = NoticeAccepted(source="/x", event="1", notice="n", revision=1)
OURS = "/kreisfunk/subscriptions"


class Tapped:
    """A channel of the service's login on a tapped vhost; `end` judges."""

    def __init__(self, channel: AbstractChannel, ends: AsyncExitStack) -> None:
        self.channel = channel
        self.end = ends.aclose

    async def publish(self, body: bytes, *, key: str = ACCEPTED.KEY, exchange: str = topology.EVENTS) -> None:
        target = await self.channel.get_exchange(exchange, ensure=False)
        mode = aio_pika.DeliveryMode.PERSISTENT
        message = aio_pika.Message(body, content_type=CONTENT_TYPE, delivery_mode=mode)
        await target.publish(message, key, mandatory=False)


@pytest.fixture
async def tapped_vhost(servers: Servers) -> AsyncIterator[tuple[str, AsyncExitStack]]:
    ends = AsyncExitStack()
    async with vhost_on(servers, f"tap-{secrets.token_hex(6)}") as url:
        await ends.enter_async_context(tapped(url, servers.broker_api_url))
        async with await aio_pika.connect(url) as connection, connection.channel() as channel:
            await topology.declare(channel)
        yield url, ends


@pytest.fixture
async def service(servers: Servers, tapped_vhost: tuple[str, AsyncExitStack]) -> AsyncIterator[Tapped]:
    """What has the subscriptions' login."""
    url, ends = tapped_vhost
    login_url = await let_log_in(servers, url, "subscriptions")
    async with await aio_pika.connect(login_url) as connection, connection.channel() as channel:
        yield Tapped(channel, ends)


@pytest.fixture
async def stranger(tapped_vhost: tuple[str, AsyncExitStack]) -> AsyncIterator[Tapped]:
    """Who has no login of a service."""
    url, ends = tapped_vhost
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        yield Tapped(channel, ends)


def event(message: Message = ACCEPTED, source: str = OURS) -> bytes:
    return encode(message, event_id="e", source=source, time=datetime.now(UTC))


def with_data(**changed: object) -> bytes:
    parsed = json.loads(event())
    return json.dumps({**parsed, "data": {**parsed["data"], **changed}}).encode()


async def test_what_is_as_described_passes(service: Tapped) -> None:
    await service.publish(event())
    await service.publish((EXAMPLES / f"{ACCEPTED.TYPE}.json").read_bytes())
    await service.end()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"no JSON", "no contract has this type"),
        (with_data(revision="1"), "'1' is not of type 'integer'"),
    ],
)
async def test_what_is_not_is_found(service: Tapped, body: bytes, told: str) -> None:
    await service.publish(event())
    await service.publish(body)
    await service.publish(body)
    with pytest.raises(ContractBrokenError, match=r"2 times: .*") as broken:
        await service.end()
    assert told in str(broken.value)


async def test_what_tests_publish_in_our_name_is_looked_at_and_in_others_is_not(stranger: Tapped) -> None:
    await stranger.publish(b"no JSON")
    await stranger.publish(with_data(revision="1").replace(OURS.encode(), b"/kreisfunk/tests"))
    await stranger.publish(with_data(revision=[]))
    with pytest.raises(ContractBrokenError, match=r"1 times: .*accepted.*\[\] is not of type 'integer'"):
        await stranger.end()

"""A connection that an alarm of the broker has blocked may be lost before the alarm ends."""

import asyncio
import secrets
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deploy.local.ports import LOOPBACK
from deploy.local.rabbitmq import run_rabbitmq
from shared.amqp.connection import BrokerUnavailable, connect
from shared.amqp.publisher import Publisher, open_publisher
from tests.proxy import run_proxy
from tests.servers import wait_for

WATERMARK = ("set_vm_memory_high_watermark", "absolute")
QUEUE = "alarm"


async def is_published(publisher: Publisher) -> bool:
    try:
        await publisher.publish("", QUEUE, b"x", message_id=secrets.token_hex(8))
    except BrokerUnavailable:
        return False
    return True


async def test_a_blocked_connection_that_is_lost_does_not_keep_its_successor_from_publishing(tmp_path: Path) -> None:
    async with run_rabbitmq(tmp_path, secrets.token_hex(16)) as broker, run_proxy([broker.port]) as proxy:
        address = urlsplit(broker.url)
        url = address._replace(netloc=f"{address.netloc.rpartition('@')[0]}@{LOOPBACK}:{proxy.port}").geturl()
        async with (
            connect(url, password=None, name="test") as connection,
            open_publisher(connection) as publisher,
            open_publisher(connection) as second,
        ):
            await publisher.channel.declare_queue(QUEUE, durable=True)
            assert await is_published(publisher)
            await broker.run_rabbitmqctl(*WATERMARK, "1MB")
            assert not await is_published(publisher)
            waiting = asyncio.create_task(publisher.publish("", QUEUE, b"x", message_id="cut"))
            await asyncio.sleep(0)
            proxy.cut()
            with pytest.raises(BrokerUnavailable):
                await waiting
            await broker.run_rabbitmqctl(*WATERMARK, "768MB")
            for each in (publisher, second):
                await wait_for(partial(is_published, each), 20)

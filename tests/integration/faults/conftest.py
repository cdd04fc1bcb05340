"""A channel to the broker."""

from collections.abc import AsyncIterator

import aio_pika
import pytest

from shared.amqp import topology
from shared.contracts.message import Lane


@pytest.fixture
async def channel(vhost: str) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    """Nothing is left in the lane."""
    async with await aio_pika.connect(vhost) as connection, connection.channel() as opened:
        yield opened
        await (await opened.get_queue(topology.LANES[Lane.BULK].name)).purge()

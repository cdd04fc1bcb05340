"""A vhost that modules use one after the other, as declaring all queues takes the broker a second each time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aio_pika
import aiohttp

from shared.amqp import topology
from tests.contract_recorder.recorder import QUEUE
from tests.servers import Servers, build_authorization, declare_topology, fetch_until

STREAMS = {stream.name for stream in topology.STREAMS}
QUEUES = [name for name in topology.list_arguments() if name not in STREAMS]


@dataclass(frozen=True)
class SharedVhost:
    """`definitions` are the declared objects, without the recorder's queue, which comes later."""

    servers: Servers
    url: str
    definitions: Mapping[str, Any]

    async def empty(self) -> None:
        """Wait until no consumer could return a message, and remove all messages."""
        # Consumers of a deleted stream stay in the list, without a channel.
        await fetch_until(
            lambda: _fetch(self.servers, self.url, "consumers"),
            lambda found: not any(consumer["channel_details"] for consumer in found),
        )
        async with await aio_pika.connect(self.url) as connection:
            channel = await connection.channel()
            await channel.queue_delete(QUEUE)
            # Twice, as messages in retry queues may return meanwhile.
            for name in (*QUEUES, *QUEUES):
                await (await channel.get_queue(name, ensure=False)).purge()
            for stream in topology.STREAMS:
                await channel.queue_delete(stream.name)
                await topology.declare_stream(channel, stream)

    async def assert_unchanged(self) -> None:
        assert await _list_definitions(self.servers, self.url) == self.definitions


async def declare_shared_vhost(servers: Servers, url: str) -> SharedVhost:
    await declare_topology(url)
    return SharedVhost(servers, url, await _list_definitions(servers, url))


async def _list_definitions(servers: Servers, url: str) -> Mapping[str, Any]:
    """Return everything that is declared, sorted."""
    definitions = await _fetch(servers, url, "definitions")
    return {
        kind: sorted(repr(item) for item in definitions[kind] if QUEUE not in item.values())
        for kind in ("queues", "exchanges", "bindings", "policies")
    }


async def _fetch(servers: Servers, url: str, resource: str) -> Any:
    address = f"{servers.broker_api_url}/api/{resource}{urlsplit(url).path}"
    async with aiohttp.ClientSession(headers=build_authorization(url)) as session, session.get(address) as answer:
        return await answer.json()

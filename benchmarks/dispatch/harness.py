"""The servers and secrets of a run, batches as the expander publishes them, and dispatchers that send them.

The feeder keeps a lane full, as the expander does: a full lane nacks, and the feeder retries.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from uuid import UUID, uuid4

import aiohttp

from benchmarks.dispatch.endpoint import EndpointClient
from benchmarks.dispatch.peers.common import HEADLINE, TEMPLATE, TEXT, build_phone_number
from benchmarks.harness import (
    CORES,
    OTHER_CORE,
    BenchmarkServers,
    build_command,
    leave_tested_core,
    run_process,
    run_servers,
)
from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.services import Service
from shared.amqp import topology
from shared.amqp.connection import connect
from shared.amqp.publisher import Publisher, PublishRefused, open_publisher
from shared.contracts.dispatch import BroadcastBatch, Recipient, Template, TemplateParameter
from shared.contracts.envelope import encode
from shared.contracts.ids import make_timed_id
from shared.contracts.message import Address, AddressKind, Lane
from shared.encryption import BlindIndexKey, KeyRing

CONNECTIONS = 200
LATENCY_SECONDS = 0.05
# 200 connections can send 4,000 a second if an answer takes 50 ms, so this rate does not limit.
FULL_SPEED = 6000
RETRY_DELAY_SECONDS = 0.02
MAX_BATCH_RECIPIENTS = 100
ENDLESS = 10_000_000


@dataclass
class RunningBroadcast:
    """Dispatchers that send a bulk broadcast to the endpoint; `publisher` feeds their lane until `end`."""

    endpoint: EndpointClient
    publisher: Publisher
    dispatchers: Sequence[Service]
    _feeder: asyncio.Task[None]

    async def end(self) -> None:
        """Stop feeding, and empty the lane."""
        self._feeder.cancel()
        await asyncio.gather(self._feeder, return_exceptions=True)
        await (await self.publisher.channel.get_queue(topology.LANES[Lane.BULK].name)).purge()


@dataclass(frozen=True)
class DispatchHarness:
    servers: BenchmarkServers

    @property
    def database_url(self) -> str:
        """URL of the dispatcher's role, with the password."""
        password = self.servers.read_secret("dispatcher/kreisfunk_database_password")
        return self.servers.stack.build_database_url(f"kreisfunk_dispatcher:{password}")

    @cached_property
    def addresses(self) -> Sequence[Address]:
        """A batch of encrypted addresses; subscribers differ, addresses repeat."""
        keys = KeyRing.parse(self.servers.read_secret("dispatcher/kreisfunk_encryption_keys"))
        hashes = BlindIndexKey.parse(self.servers.read_secret("dispatcher/kreisfunk_index_key"))
        numbers = [build_phone_number(number) for number in range(MAX_BATCH_RECIPIENTS)]
        indexes = [hashes.compute_index("phone", number) for number in numbers]
        return [
            Address(
                kind=AddressKind.PHONE, index=index, sealed=keys.encrypt(number.encode(), purpose="phone", index=index)
            )
            for number, index in zip(numbers, indexes, strict=True)
        ]

    @asynccontextmanager
    async def start_endpoint(self, seconds: float = LATENCY_SECONDS) -> AsyncIterator[EndpointClient]:
        """Run the endpoint, which answers after `seconds`."""
        with reserve_ports(1) as (port,):
            arguments = ("benchmarks.dispatch.endpoint", str(port), str(seconds))
            command = build_command("endpoint", arguments, self.servers.folder, core=OTHER_CORE)
            async with run_process(command, port=port), aiohttp.ClientSession() as session:
                yield EndpointClient(f"http://{LOOPBACK}:{port}", session)

    @asynccontextmanager
    async def run_broadcast(
        self, limit: float, *, replicas: int = 1, audience: int = ENDLESS, seconds: float = LATENCY_SECONDS
    ) -> AsyncIterator[RunningBroadcast]:
        """Run an endpoint that answers after `seconds`, dispatchers, and a broadcast; `limit` is in messages a second.

        Replicas are spread over the cores, as a starting one needs a whole core for a second, which costs the others
        slots.
        """
        await self.servers.owner.execute("delete from dispatcher.rate")  # a lower rate would have to recover first
        async with AsyncExitStack() as stack:
            endpoint = await stack.enter_async_context(self.start_endpoint(seconds))
            publisher = await stack.enter_async_context(self.open_feeder())
            settings = {
                "KREISFUNK_GRAPH_URL": endpoint.url,
                "KREISFUNK_MESSAGES_PER_SECOND": str(limit),
                "KREISFUNK_CONNECTIONS": str(CONNECTIONS),
            }
            dispatchers = [
                await stack.enter_async_context(
                    self.servers.run_service("dispatcher", settings, core=CORES[number % len(CORES)], number=number)
                )
                for number in range(replicas)
            ]
            feeder = asyncio.create_task(feed(publisher, build_batches(self.addresses, audience=audience)))
            broadcast = RunningBroadcast(endpoint, publisher, dispatchers, feeder)
            stack.push_async_callback(broadcast.end)
            yield broadcast

    @asynccontextmanager
    async def open_feeder(self) -> AsyncIterator[Publisher]:
        async with (
            connect(self.servers.broker_url, password=None, name="feeder") as connection,
            open_publisher(connection) as publisher,
        ):
            yield publisher


@asynccontextmanager
async def open_harness() -> AsyncIterator[DispatchHarness]:
    """Run servers, off the tested core like this process."""
    leave_tested_core()
    async with run_servers() as servers:
        yield DispatchHarness(servers)


def build_batches(
    addresses: Sequence[Address], *, lane: Lane = Lane.BULK, headline: str = HEADLINE, audience: int = ENDLESS
) -> Iterator[BroadcastBatch]:
    """Yield the pages of one broadcast lazily."""
    now = datetime.now(UTC)
    broadcast = make_timed_id(now, uuid4().bytes)
    parameters = (TemplateParameter(name="headline", text=headline), TemplateParameter(name="text", text=TEXT))
    content = Template(name=TEMPLATE, language="de", parameters=parameters, quick_replies=("stop",))
    for offset in range(0, audience, MAX_BATCH_RECIPIENTS):
        count = min(MAX_BATCH_RECIPIENTS, audience - offset)
        yield BroadcastBatch(
            broadcast=broadcast,
            notice=f"n-{broadcast}",
            revision=1,
            topic="strassensperrungen",
            lane=lane,
            template=content,
            published_at=now,
            expires_at=now + timedelta(hours=2),
            page=offset // MAX_BATCH_RECIPIENTS,
            offset=offset,
            last=offset + count >= audience,
            recipients=tuple(
                Recipient(subscriber=UUID(bytes=secrets.token_bytes(16)), sequence=1, address=address)
                for address in addresses[:count]
            ),
        )


async def feed(publisher: Publisher, pages: Iterator[BroadcastBatch]) -> None:
    """Publish pages in order; retry each until the lane has room."""
    for page in pages:
        identifier = str(uuid4())
        body = encode(page, event_id=identifier, source="/benchmark", time=datetime.now(UTC))
        while True:
            try:
                await publisher.publish(topology.DISPATCH, page.lane.value, body, message_id=identifier, timeout=10)
                break
            except PublishRefused:
                await asyncio.sleep(RETRY_DELAY_SECONDS)

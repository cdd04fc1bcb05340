"""Dispatchers as processes against a Graph endpoint of our own, on a real broker and database."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aio_pika
import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.ports import LOOPBACK, reserved_ports
from deploy.local.secret_files import create_secrets
from deploy.local.service import Service
from shared.amqp import topology
from shared.contracts.inbound import DeliveryStatus, DeliveryStatuses
from tests.databases import Database
from tests.integration.dispatcher.dispatch_client import Citizen, DispatchClient, until
from tests.integration.dispatcher.graph_endpoint import GraphEndpoint, SendRequest, running_endpoint
from tests.integration.dispatcher.rig import ROLE, dispatch_client, dispatcher_settings, service_command
from tests.servers import PATIENCE_SECONDS

RATE = 80
MOST_DISPATCHERS = 3
PHONE_PREFIX = "4917604069"


@dataclass
class EndpointRig:
    """Starts dispatchers, and knows what they did."""

    client: DispatchClient
    endpoint: GraphEndpoint
    database: Database
    folder: Path
    broker_url: str
    ports: Sequence[int]
    channel: aio_pika.abc.AbstractChannel
    http: aiohttp.ClientSession
    services: dict[str, Service] = field(default_factory=dict)
    phones: int = 0

    def citizens(self, count: int) -> list[Citizen]:
        first, self.phones = self.phones, self.phones + count
        return [self.client.citizen(number, phone(number)) for number in range(first, first + count)]

    def prepare(self, *, rate: float = RATE, database_url: str | None = None, **settings: object) -> Service:
        """One more dispatcher that is not started; `settings` are named as in its Settings."""
        name, port = f"dispatcher-{len(self.services) + 1}", self.ports[len(self.services)]
        graph_url = f"http://{LOOPBACK}:{self.endpoint.port}"
        usual = dispatcher_settings(self.broker_url, database_url or self.database.url_as(ROLE), graph_url, port)
        chosen = {f"KREISFUNK_{key.upper()}": str(value) for key, value in settings.items()}
        environment = {**usual, "KREISFUNK_MESSAGES_PER_SECOND": str(rate), **chosen}
        service = Service(service_command(name, environment, self.folder), self.url(name, "readyz"))
        self.services[name] = service
        return service

    async def start(self, count: int = 1, **settings: Any) -> list[Service]:
        """Start that many dispatchers and wait until they are ready."""
        services = [self.prepare(**settings) for _ in range(count)]
        await asyncio.gather(*(service.start() for service in services))
        return services

    def url(self, name: str, path: str) -> str:
        return f"http://{LOOPBACK}:{self.ports[int(name.rpartition('-')[2]) - 1]}/{path}"

    async def readiness(self, service: Service) -> int:
        """Return the status of /readyz, 0 if nobody answers."""
        try:
            async with self.http.get(self.url(service.name, "readyz")) as response:
                return response.status
        except aiohttp.ClientError:
            return 0

    async def metric(self, service: Service, name: str, **labels: str) -> float:
        """Return a sample of the dispatcher's metrics, 0 if there is none."""
        async with self.http.get(self.url(service.name, "metrics")) as response:
            families = text_string_to_metric_families(await response.text())
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def log(self, service: Service, *levels: str) -> list[dict[str, Any]]:
        """Return what a dispatcher has logged at these levels."""
        lines = (self.folder / f"{service.name}.log").read_text().splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in events if event.get("level") in levels]

    async def report(self, requests: Sequence[SendRequest], status: str = "delivered") -> None:
        """Publish statuses of messages, as the ingress would."""
        now = datetime.now(UTC)
        statuses = tuple(
            DeliveryStatus(
                message_key=self.client.index_key.index("wamid", request.message_id),
                status=status,
                at=now,
                received_at=now,
                delivery=str(request.delivery),
            )
            for request in requests
        )
        await self.client.send(DeliveryStatuses(statuses=statuses), topology.INBOUND, DeliveryStatuses.KEY)

    async def waiting_in(self, queue: str) -> int:
        """Return how many messages of a queue nobody holds."""
        declared = await self.channel.declare_queue(queue, passive=True)
        return declared.declaration_result.message_count or 0

    async def consumers_of(self, queue: str) -> int:
        declared = await self.channel.declare_queue(queue, passive=True)
        return declared.declaration_result.consumer_count or 0

    async def all_states(self) -> dict[str, int]:
        """How many deliveries of all are in which state."""
        rows = await self.client.books.fetch("select state::text, count(*) from dispatcher.delivery group by state")
        return {row["state"]: row["count"] for row in rows}

    async def arrived(self, count: int, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until so many requests have arrived."""

        async def enough() -> bool:
            return len(self.endpoint.requests) >= count

        await until(enough, self.summary, seconds)

    async def accepted(self, count: int, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until so many different deliveries are accepted, and none of them twice."""

        async def enough() -> bool:
            return len(self.endpoint.accepted_times) >= count

        await until(enough, self.summary, seconds)
        self.assert_none_twice()

    def assert_none_twice(self) -> None:
        doubled = {delivery: times for delivery, times in self.endpoint.accepted_times.items() if times > 1}
        assert not doubled, f"{len(doubled)} accepted more than once"

    async def summary(self) -> str:
        """What the endpoint and the ledger know, for a failure."""
        requests, accepted = len(self.endpoint.requests), len(self.endpoint.accepted_times)
        return f"{requests} requests, {accepted} accepted, ledger: {await self.all_states()}"

    async def held_reason(self) -> Any:
        return await self.client.books.fetchval("select held_reason from dispatcher.rate")


def phone(number: int) -> str:
    return f"{PHONE_PREFIX}{number:06}"


def freeze(service: Service) -> None:
    _signal(service, signal.SIGSTOP)


def thaw(service: Service) -> None:
    _signal(service, signal.SIGCONT)


def _signal(service: Service, number: signal.Signals) -> None:
    assert service.pid is not None, f"{service.name} has ended"
    os.kill(service.pid, number)


def by_way_of(url: str, port: int) -> str:
    """Return a server's URL as it is reached through a port of this machine."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@{LOOPBACK}:{port}"))


async def passed(moment: float) -> None:
    """Wait for a moment of the monotonic clock."""
    await asyncio.sleep(max(0.0, moment - time.monotonic()))


@asynccontextmanager
async def running_endpoint_rig(broker_url: str, database: Database, folder: Path) -> AsyncIterator[EndpointRig]:
    """Without a dispatcher yet and with empty queues; nothing is left at the end."""
    create_secrets(folder / "secrets")
    async with AsyncExitStack() as stack:
        ports = stack.enter_context(reserved_ports(MOST_DISPATCHERS))
        client = await stack.enter_async_context(dispatch_client(broker_url, database, folder))
        connection = await stack.enter_async_context(await aio_pika.connect(broker_url))
        channel = await connection.channel()
        for queue in topology.QUEUES:
            await (await channel.get_queue(queue.name, ensure=False)).purge()
        rig = EndpointRig(
            client=client,
            endpoint=await stack.enter_async_context(running_endpoint()),
            database=database,
            folder=folder,
            broker_url=broker_url,
            ports=ports,
            channel=channel,
            http=await stack.enter_async_context(aiohttp.ClientSession()),
        )
        stack.push_async_callback(_end_all, rig)
        yield rig


async def _end_all(rig: EndpointRig) -> None:
    """Without a drain, which a test that is over need not wait for; frozen ones, too."""
    for service in rig.services.values():
        if service.pid:
            service.kill()
            await service.wait()

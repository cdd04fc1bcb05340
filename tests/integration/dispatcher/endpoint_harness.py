"""Dispatchers as processes against a Graph endpoint of our own, on a real broker and database."""

import asyncio
import json
import os
import secrets
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aio_pika
import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.process import Command
from deploy.local.services import Service
from deploy.secrets import create_secrets
from shared.amqp import topology
from shared.amqp.connection import connect
from shared.amqp.publisher import open_publisher
from shared.contracts.inbound import DeliveryStatus, DeliveryStatuses
from shared.encryption import BlindIndexKey, KeyRing
from shared.runtime.background import run_in_background
from tests.contract_recorder.recorder import record_contracts
from tests.databases import FreshDatabase, create_database
from tests.harness.processes import build_service_command
from tests.integration.dispatcher.dispatch_client import Citizen, DispatchClient
from tests.integration.dispatcher.factories import NUMBER
from tests.integration.dispatcher.fake_graph_api import FakeGraphApi, SendRequest, run_fake_graph_api
from tests.servers import (
    WAIT_TIMEOUT_SECONDS,
    Servers,
    connect_to_database,
    create_vhost,
    declare_topology,
    wait_for,
    wait_until_equal,
)

ROLE = "kreisfunk_dispatcher"
RATE = 80
MAX_DISPATCHERS = 3
PHONE_PREFIX = "4917604069"


@dataclass(kw_only=True)
class EndpointHarness(DispatchClient):
    """Starts dispatchers, and knows what they did."""

    endpoint: FakeGraphApi
    database: FreshDatabase
    folder: Path
    broker_url: str
    ports: Sequence[int]
    channel: aio_pika.abc.AbstractChannel
    http: aiohttp.ClientSession
    services: dict[str, Service] = field(default_factory=dict)
    phones: int = 0

    def build_citizens(self, count: int) -> list[Citizen]:
        first, self.phones = self.phones, self.phones + count
        return [self.build_citizen(build_phone(number)) for number in range(first, first + count)]

    def prepare(self, *, rate: float = RATE, database_url: str | None = None, **settings: object) -> Service:
        """One more dispatcher that is not started; `settings` are named as in its Settings."""
        name, port = f"dispatcher-{len(self.services) + 1}", self.ports[len(self.services)]
        usual = {
            "broker_url": self.broker_url,
            "internal_port": port,
            "database_url": database_url or self.database.build_role_url(ROLE),
            "graph_url": f"http://{LOOPBACK}:{self.endpoint.port}",
            "phone_number_id": NUMBER,
            "messages_per_second": rate,
            "unknown_grace_seconds": 2,
            "request_timeout_seconds": 2,
            "drain_seconds": 10,
        }
        environment = {f"KREISFUNK_{key.upper()}": str(value) for key, value in {**usual, **settings}.items()}
        service = Service(build_command(name, environment, self.folder), self.build_url(name, "readyz"))
        self.services[name] = service
        return service

    async def start(self, count: int = 1, **settings: Any) -> list[Service]:
        """Start that many dispatchers and wait until they are ready."""
        services = [self.prepare(**settings) for _ in range(count)]
        await asyncio.gather(*(service.start() for service in services))
        return services

    def build_url(self, name: str, path: str) -> str:
        return f"http://{LOOPBACK}:{self.ports[int(name.rpartition('-')[2]) - 1]}/{path}"

    async def fetch_readiness(self, service: Service) -> int:
        """Return the status of /readyz, 0 if nobody answers."""
        try:
            async with self.http.get(self.build_url(service.name, "readyz")) as response:
                return response.status
        except aiohttp.ClientError:
            return 0

    async def fetch_metric(self, service: Service, name: str, **labels: str) -> float:
        """Return a sample of the dispatcher's metrics, 0 if there is none."""
        async with self.http.get(self.build_url(service.name, "metrics")) as response:
            families = text_string_to_metric_families(await response.text())
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def read_log(self, service: Service, *levels: str) -> list[dict[str, Any]]:
        """Return what a dispatcher has logged at these levels."""
        lines = (self.folder / f"{service.name}.log").read_text().splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in events if event.get("level") in levels]

    @asynccontextmanager
    async def report_deliveries(self) -> AsyncIterator[None]:
        """Report every acceptance as delivered, in groups, while the block runs."""

        async def report() -> None:
            told = 0
            while True:
                requests = self.endpoint.accepted[told : told + 200]
                told += len(requests)
                if requests:
                    await self.publish_statuses(requests)
                await asyncio.sleep(0.01)

        async with run_in_background(report()):
            yield

    async def publish_statuses(
        self, requests: Sequence[SendRequest], status: str = "delivered", error_code: int | None = None
    ) -> None:
        """Publish statuses of messages, as the ingress would."""
        await self.publish_group([self.build_status(request, status, error_code) for request in requests])

    async def publish_group(self, statuses: Sequence[DeliveryStatus]) -> None:
        group = DeliveryStatuses(statuses=tuple(statuses))
        await self.send(group, topology.INBOUND, DeliveryStatuses.KEY)

    def build_status(self, request: SendRequest, status: str, error_code: int | None = None) -> DeliveryStatus:
        now = datetime.now(UTC)
        return DeliveryStatus(
            message_key=self.index_key.compute_index("wamid", request.message_id),
            status=status,
            at=now,
            received_at=now,
            delivery=str(request.delivery),
            error_code=error_code,
        )

    async def count_messages(self, queue: str) -> int:
        """Return how many messages of a queue nobody holds."""
        declared = await self.channel.declare_queue(queue, passive=True)
        return declared.declaration_result.message_count or 0

    async def count_consumers(self, queue: str) -> int:
        declared = await self.channel.declare_queue(queue, passive=True)
        return declared.declaration_result.consumer_count or 0

    async def wait_for_requests(self, count: int, seconds: float = WAIT_TIMEOUT_SECONDS) -> None:
        """Wait until so many requests have arrived."""
        await self.wait_until(lambda: len(self.endpoint.requests) >= count, seconds)

    async def wait_for_accepted(self, count: int, seconds: float = WAIT_TIMEOUT_SECONDS) -> None:
        """Wait until so many different deliveries are accepted, and none of them twice."""
        await self.wait_until(lambda: len(self.endpoint.accepted_times) >= count, seconds)
        self.assert_none_twice()

    async def wait_for_metric(self, service: Service, name: str, value: float, **labels: str) -> None:
        await wait_until_equal(lambda: self.fetch_metric(service, name, **labels), value)

    def count_accepted(self, citizens: Sequence[Citizen]) -> list[int]:
        """Return how many messages to each of them were accepted."""
        phones = Counter(request.recipient for request in self.endpoint.accepted)
        return [phones[one.phone] for one in citizens]

    def assert_none_twice(self) -> None:
        doubled = {delivery: times for delivery, times in self.endpoint.accepted_times.items() if times > 1}
        assert not doubled, f"{len(doubled)} accepted more than once"

    async def wait_until(
        self, condition: Callable[[], Awaitable[bool] | bool], seconds: float = WAIT_TIMEOUT_SECONDS
    ) -> None:
        """As `wait_for`; the failure says what was there instead."""
        try:
            await wait_for(condition, seconds)
        except TimeoutError:
            raise AssertionError(f"still {await self.describe()}") from None

    async def describe(self) -> str:
        """Return what the endpoint and the ledger know, for a failure."""
        requests, accepted = len(self.endpoint.requests), len(self.endpoint.accepted_times)
        return f"{requests} requests, {accepted} accepted, ledger: {await self.count_states()}"

    async def read_paused_reason(self) -> Any:
        return await self.owner.fetchval("select paused_reason from dispatcher.rate")

    async def wait_until_paused(self) -> None:
        await self.wait_for_value("select paused_reason is not null from dispatcher.rate")


def build_phone(number: int) -> str:
    return f"{PHONE_PREFIX}{number:06}"


def send_signal(service: Service, number: signal.Signals) -> None:
    assert service.pid is not None, f"{service.name} has ended"
    os.kill(service.pid, number)


async def wait_until_moment(moment: float) -> None:
    """Wait for a moment of the monotonic clock."""
    await asyncio.sleep(max(0.0, moment - time.monotonic()))


def build_command(name: str, environment: dict[str, str], folder: Path) -> Command:
    secrets = folder / "secrets" / "dispatcher"
    # The broker login is inside the URL here: the password file is that of another installation.
    (secrets / "kreisfunk_broker_password").unlink(missing_ok=True)
    (secrets / "kreisfunk_database_password").unlink(missing_ok=True)
    own = {"KREISFUNK_SECRETS_DIR": str(secrets), **environment}
    return build_service_command("dispatcher", folder / f"{name}.log", own)


@asynccontextmanager
async def run_endpoint_harness(
    broker_url: str, database: FreshDatabase, folder: Path
) -> AsyncIterator[EndpointHarness]:
    """Without a dispatcher yet and with empty queues; nothing is left at the end."""
    create_secrets(folder / "secrets")
    async with AsyncExitStack() as stack:
        ports = stack.enter_context(reserve_ports(MAX_DISPATCHERS))
        publishing = await stack.enter_async_context(connect(broker_url, password=None, name="harness"))
        owner = await stack.enter_async_context(connect_to_database(database.url))
        connection = await stack.enter_async_context(await aio_pika.connect(broker_url))
        channel = await connection.channel()
        for queue in topology.QUEUES:
            await (await channel.get_queue(queue.name, ensure=False)).purge()
        harness = EndpointHarness(
            publisher=await stack.enter_async_context(open_publisher(publishing)),
            owner=owner,
            keys=KeyRing.parse(read_secret(folder, "kreisfunk_encryption_keys")),
            index_key=BlindIndexKey.parse(read_secret(folder, "kreisfunk_index_key")),
            endpoint=await stack.enter_async_context(run_fake_graph_api()),
            database=database,
            folder=folder,
            broker_url=broker_url,
            ports=ports,
            channel=channel,
            http=await stack.enter_async_context(aiohttp.ClientSession()),
        )
        try:
            yield harness
        finally:
            await asyncio.gather(*map(end_service, harness.services.values()))


def read_secret(folder: Path, name: str) -> str:
    return (folder / "secrets" / "dispatcher" / name).read_text().strip()


async def end_service(service: Service) -> None:
    """Without a drain, which a test that is over need not wait for."""
    if service.pid:
        service.kill()
        await service.wait()


@asynccontextmanager
async def run_separate_harness(servers: Servers, template: str, folder: Path) -> AsyncIterator[EndpointHarness]:
    """On a vhost and a database of its own, so that several can work at once."""
    async with (
        create_vhost(servers, f"separate-{secrets.token_hex(6)}") as url,
        record_contracts(url, servers.broker_api_url),
        create_database(servers, template) as database,
    ):
        await declare_topology(url)
        async with run_endpoint_harness(url, database, folder) as harness:
            yield harness

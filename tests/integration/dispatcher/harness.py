"""Two dispatchers, an ingress and the simulator as processes, on a real broker and database."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg

from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.process import Command
from deploy.local.services import Service
from deploy.secrets import create_secrets
from shared.amqp.connection import connect
from shared.amqp.publisher import open_publisher
from shared.encryption import BlindIndexKey, KeyRing
from tests.databases import FreshDatabase
from tests.integration.dispatcher.dispatch_client import Citizen, DispatchClient

ROOT = Path(__file__).parents[3]
NUMBER_ID = "700800900100200"
ROLE = "kreisfunk_dispatcher"
LIMIT = 100


@dataclass(kw_only=True)
class DispatcherHarness(DispatchClient):
    """Everything that runs, and the hands to use it."""

    services: dict[str, Service]
    session: aiohttp.ClientSession
    simulator_url: str

    async def call_simulator(self, method: str, path: str, body: object = None) -> Any:
        """The simulator's control interface."""
        async with self.session.request(method, f"{self.simulator_url}/simulator/{path}", json=body) as response:
            response.raise_for_status()
            return await response.json()

    async def add_citizens(self, count: int) -> list[Citizen]:
        """New phones; their addresses are sealed as the ingress does it."""
        added = await self.call_simulator("POST", "citizens", {"count": count})
        return [self.build_citizen(item["id"], item["phone"]) for item in added["citizens"]]

    async def list_accepted(self, source: UUID) -> list[dict[str, Any]]:
        """What the simulator accepted of a broadcast, in order; of a reply likewise."""
        ids = {
            str(row["id"])
            for row in await self.books.fetch("select id from dispatcher.delivery where source = $1", source)
        }
        messages = await self.call_simulator("GET", "account/messages?limit=10000")
        return [message for message in messages if message["delivery"] in ids]


@asynccontextmanager
async def run_harness(broker_url: str, database: FreshDatabase, folder: Path) -> AsyncIterator[DispatcherHarness]:
    """Up with everything ready, and down with nothing left."""
    create_secrets(folder / "secrets")
    async with AsyncExitStack() as stack:
        ports = stack.enter_context(reserve_ports(5))
        services = _build_services(folder, broker_url, database, ports)
        for service in services.values():
            stack.push_async_callback(end_service, service)
        client = await stack.enter_async_context(open_dispatch_client(broker_url, database, folder))
        await asyncio.gather(*(service.start() for service in services.values()))
        token = read_secret(folder, "simulator/simulator_control_token")
        yield DispatcherHarness(
            **vars(client),
            services=services,
            session=await stack.enter_async_context(
                aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"})
            ),
            simulator_url=f"http://{LOOPBACK}:{ports[0]}",
        )


@asynccontextmanager
async def open_dispatch_client(broker_url: str, database: FreshDatabase, folder: Path) -> AsyncIterator[DispatchClient]:
    """Connect with the secrets of `folder`, to a vhost where the topology is."""
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(connect(broker_url, password=None, name="rig"))
        books = await asyncpg.connect(database.url)
        stack.push_async_callback(books.close)
        yield DispatchClient(
            publisher=await stack.enter_async_context(open_publisher(connection)),
            books=books,
            keys=KeyRing.parse(read_secret(folder, "dispatcher/kreisfunk_encryption_keys")),
            index_key=BlindIndexKey.parse(read_secret(folder, "dispatcher/kreisfunk_index_key")),
        )


async def end_service(service: Service) -> None:
    """Without a drain, which a test that is over need not wait for."""
    if service.pid:
        service.kill()
        await service.wait()


def read_secret(folder: Path, name: str) -> str:
    return (folder / "secrets" / name).read_text().strip()


def _build_services(folder: Path, broker_url: str, database: FreshDatabase, ports: Sequence[int]) -> dict[str, Service]:
    simulator, listen, ingress, *dispatchers = ports
    commands = {
        "simulator": _build_simulator_settings(simulator, listen),
        "ingress": _build_ingress_settings(broker_url, listen, ingress),
    }
    probes = {"simulator": simulator, "ingress": ingress}
    for number, port in enumerate(dispatchers, 1):
        commands[f"dispatcher-{number}"] = build_dispatcher_settings(
            broker_url, database.build_role_url(ROLE), f"http://{LOOPBACK}:{simulator}", port
        )
        probes[f"dispatcher-{number}"] = port
    return {
        name: Service(build_command(name, environment, folder), f"http://{LOOPBACK}:{probes[name]}/readyz")
        for name, environment in commands.items()
    }


def build_command(name: str, environment: dict[str, str], folder: Path) -> Command:
    kind = name.partition("-")[0]
    prefix = "SIMULATOR" if kind == "simulator" else "KREISFUNK"
    secrets = folder / "secrets" / kind
    # The broker login is inside the URL here: the password file is that of another installation.
    (secrets / "kreisfunk_broker_password").unlink(missing_ok=True)
    (secrets / "kreisfunk_database_password").unlink(missing_ok=True)
    return Command(
        name=name,
        arguments=(sys.executable, "-m", kind if kind == "simulator" else f"services.{kind}"),
        log=folder / f"{name}.log",
        environment={"PATH": os.environ["PATH"], f"{prefix}_SECRETS_DIR": str(secrets), **environment},
        folder=ROOT,
    )


def _build_simulator_settings(port: int, webhook_port: int) -> dict[str, str]:
    return {
        "SIMULATOR_LISTEN_PORT": str(port),
        "SIMULATOR_WEBHOOK_URL": f"http://{LOOPBACK}:{webhook_port}/webhook",
        "SIMULATOR_PHONE_NUMBER_ID": NUMBER_ID,
        "SIMULATOR_WABA_ID": "100200300400500",
        "SIMULATOR_DISPLAY_PHONE_NUMBER": "4947919300",
        "SIMULATOR_MESSAGES_PER_SECOND": str(LIMIT),
        "SIMULATOR_TEMPLATES_FILE": str(ROOT / "deploy/config/templates.json"),
    }


def _build_ingress_settings(broker_url: str, listen: int, internal: int) -> dict[str, str]:
    return {
        "KREISFUNK_BROKER_URL": broker_url,
        "KREISFUNK_LISTEN_HOST": LOOPBACK,
        "KREISFUNK_LISTEN_PORT": str(listen),
        "KREISFUNK_INTERNAL_PORT": str(internal),
        "KREISFUNK_PHONE_NUMBER_ID": NUMBER_ID,
    }


def build_dispatcher_settings(broker_url: str, database_url: str, graph_url: str, internal: int) -> dict[str, str]:
    return {
        "KREISFUNK_BROKER_URL": broker_url,
        "KREISFUNK_INTERNAL_PORT": str(internal),
        "KREISFUNK_DATABASE_URL": database_url,
        "KREISFUNK_GRAPH_URL": graph_url,
        "KREISFUNK_PHONE_NUMBER_ID": NUMBER_ID,
        "KREISFUNK_MESSAGES_PER_SECOND": str(LIMIT),
        "KREISFUNK_UNKNOWN_GRACE_SECONDS": "2",
        "KREISFUNK_REQUEST_TIMEOUT_SECONDS": "2",
        "KREISFUNK_DRAIN_SECONDS": "10",
    }

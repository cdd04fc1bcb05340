"""Two dispatchers, an ingress and the simulator as processes, on a real broker and database."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg

from deploy.local.ports import LOOPBACK, reserved_ports
from deploy.local.process import Command
from deploy.local.secret_files import create_secrets
from deploy.local.service import Service
from shared.amqp import topology
from shared.amqp.connection import connect
from shared.amqp.publisher import Publisher, open_publisher
from shared.contracts.dispatch import BroadcastBatch, Recipient, ReplyRequested, Template, TemplateParameter, Withdrawal
from shared.contracts.envelope import encode
from shared.contracts.ids import timed_id
from shared.contracts.message import Address, AddressKind, Lane, Message
from shared.sealing import IndexKey, KeyRing
from tests.databases import Database
from tests.servers import wait_for

ROOT = Path(__file__).parents[3]
NUMBER_ID = "700800900100200"
TEMPLATE = "kreisfunk_strassensperrungen_v1"
LIMIT = 100
SETTLED = ("delivered", "read", "failed", "expired", "cancelled", "suppressed")


@dataclass(frozen=True)
class Citizen:
    """A phone of the simulator, as a subscriber."""

    id: int
    subscriber: UUID
    address: Address


@dataclass
class Rig:
    """Everything that runs, and the hands to use it."""

    services: dict[str, Service]
    publisher: Publisher
    books: asyncpg.Connection
    session: aiohttp.ClientSession
    simulator_url: str
    keys: KeyRing
    index_key: IndexKey

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """The simulator's control interface."""
        async with self.session.request(method, f"{self.simulator_url}/simulator/{path}", json=body) as response:
            response.raise_for_status()
            return await response.json()

    async def citizens(self, count: int) -> list[Citizen]:
        """New phones; their addresses are sealed as the ingress does it."""
        added = await self.call("POST", "citizens", {"count": count})
        return [self._citizen(item["id"], item["phone"]) for item in added["citizens"]]

    def _citizen(self, number: int, phone: str) -> Citizen:
        index = self.index_key.index("phone", phone)
        sealed = self.keys.seal(phone.encode(), purpose="phone", index=index)
        address = Address(kind=AddressKind.PHONE, index=index, sealed=sealed)
        return Citizen(number, timed_id(datetime.now(UTC), uuid4().bytes), address)

    async def send(self, message: Message, exchange: str, key: str) -> None:
        """Publish as one of our services would."""
        event_id = str(uuid4())
        body = encode(message, event_id=event_id, source="/test", time=datetime.now(UTC))
        await self.publisher.publish(exchange, key, body, message_id=event_id)

    async def broadcast(
        self,
        citizens: Sequence[Citizen],
        *,
        lane: Lane = Lane.BULK,
        times: int = 1,
        text: str | None = None,
        expires_in: float = 600,
    ) -> UUID:
        """Publish a broadcast in pages, the whole of it `times` times over."""
        pages = list(_pages(citizens, lane, text or f"Sperrung {uuid4()}", expires_in))
        for page in pages * times:
            await self.send(page, topology.DISPATCH, lane.value)
        return pages[0].broadcast

    async def reply(self, citizen: Citizen, text: str, withdrawal: Withdrawal | None = None) -> UUID:
        """Ask for a reply; the citizen must have written before."""
        reply = timed_id(datetime.now(UTC), uuid4().bytes)
        request = ReplyRequested(
            reply=reply,
            recipient=citizen.address,
            text=text,
            expires_at=datetime.now(UTC) + timedelta(hours=1),
            withdrawal=withdrawal,
        )
        await self.send(request, topology.DISPATCH, Lane.REPLY.value)
        return reply

    async def states(self, source: UUID) -> dict[str, int]:
        """How many deliveries of a source are in which state."""
        rows = await self.books.fetch(
            "select state::text, count(*) from dispatcher.delivery where source = $1 group by state", source
        )
        return {row["state"]: row["count"] for row in rows}

    async def settled(self, source: UUID, count: int, *, seconds: float = 60) -> dict[str, int]:
        """Wait until that many deliveries have their last news; whatever else there is fails the test."""

        async def done() -> bool:
            states = await self.states(source)
            return sum(states.get(state, 0) for state in SETTLED) == count

        await until(done, seconds, lambda: self.states(source))
        return await self.states(source)

    async def arrived(self, source: UUID) -> list[dict[str, Any]]:
        """What the simulator accepted of a broadcast, in order; of a reply likewise."""
        ids = {
            str(row["id"])
            for row in await self.books.fetch("select id from dispatcher.delivery where source = $1", source)
        }
        messages = await self.call("GET", "account/messages?limit=10000")
        return [message for message in messages if message["delivery"] in ids]


def _pages(citizens: Sequence[Citizen], lane: Lane, text: str, expires_in: float) -> list[BroadcastBatch]:
    now = datetime.now(UTC)
    broadcast = timed_id(now, uuid4().bytes)
    people = [Recipient(subscriber=one.subscriber, sequence=1, address=one.address) for one in citizens]
    parameters = (TemplateParameter(name="headline", text="Sperrung"), TemplateParameter(name="text", text=text))
    return [
        BroadcastBatch(
            broadcast=broadcast,
            notice=f"n-{broadcast}",
            revision=1,
            topic="strassensperrungen",
            lane=lane,
            template=Template(name=TEMPLATE, language="de", parameters=parameters, quick_replies=("stop",)),
            published_at=now,
            expires_at=now + timedelta(seconds=expires_in),
            page=start // 100,
            offset=start,
            last=start + 100 >= len(people),
            recipients=tuple(people[start : start + 100]),
        )
        for start in range(0, len(people), 100)
    ]


async def until(holds: Callable[[], Awaitable[bool]], seconds: float, what: Callable[[], Awaitable[object]]) -> None:
    """As `wait_for`; the failure says what was there instead."""
    try:
        await wait_for(holds, seconds)
    except TimeoutError:
        raise AssertionError(f"still {await what()}") from None


@asynccontextmanager
async def running_rig(broker_url: str, database: Database, folder: Path) -> AsyncIterator[Rig]:
    """Up with everything ready, and down with nothing left."""
    create_secrets(folder / "secrets")

    def secret(name: str) -> str:
        return (folder / "secrets" / name).read_text().strip()

    async with AsyncExitStack() as stack:
        ports = stack.enter_context(reserved_ports(5))
        services = _services(folder, broker_url, database, ports)
        for service in services.values():
            stack.push_async_callback(service.stop)
        connection = await stack.enter_async_context(connect(broker_url, password=None, name="rig"))
        await topology.declare(await connection.channel())
        books = await asyncpg.connect(database.url)
        stack.push_async_callback(books.close)
        await asyncio.gather(*(service.start() for service in services.values()))
        token = secret("simulator/simulator_control_token")
        yield Rig(
            services=services,
            publisher=await stack.enter_async_context(open_publisher(connection)),
            books=books,
            session=await stack.enter_async_context(
                aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"})
            ),
            simulator_url=f"http://{LOOPBACK}:{ports[0]}",
            keys=KeyRing.parse(secret("dispatcher/kreisfunk_sealing_keys")),
            index_key=IndexKey.parse(secret("dispatcher/kreisfunk_index_key")),
        )


def _services(folder: Path, broker_url: str, database: Database, ports: Sequence[int]) -> dict[str, Service]:
    simulator, listen, ingress, *dispatchers = ports
    commands = {
        "simulator": _simulator(simulator, listen),
        "ingress": _ingress(broker_url, listen, ingress),
    }
    probes = {"simulator": simulator, "ingress": ingress}
    for number, port in enumerate(dispatchers, 1):
        commands[f"dispatcher-{number}"] = _dispatcher(broker_url, database, simulator, port)
        probes[f"dispatcher-{number}"] = port
    return {
        name: Service(_command(name, environment, folder), f"http://{LOOPBACK}:{probes[name]}/readyz")
        for name, environment in commands.items()
    }


def _command(name: str, environment: dict[str, str], folder: Path) -> Command:
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


def _simulator(port: int, webhook_port: int) -> dict[str, str]:
    return {
        "SIMULATOR_LISTEN_PORT": str(port),
        "SIMULATOR_WEBHOOK_URL": f"http://{LOOPBACK}:{webhook_port}/webhook",
        "SIMULATOR_PHONE_NUMBER_ID": NUMBER_ID,
        "SIMULATOR_WABA_ID": "100200300400500",
        "SIMULATOR_DISPLAY_PHONE_NUMBER": "4947919300",
        "SIMULATOR_MESSAGES_PER_SECOND": str(LIMIT),
        "SIMULATOR_TEMPLATES_FILE": str(ROOT / "deploy/config/templates.json"),
    }


def _ingress(broker_url: str, listen: int, internal: int) -> dict[str, str]:
    return {
        "KREISFUNK_BROKER_URL": broker_url,
        "KREISFUNK_LISTEN_HOST": LOOPBACK,
        "KREISFUNK_LISTEN_PORT": str(listen),
        "KREISFUNK_INTERNAL_PORT": str(internal),
        "KREISFUNK_PHONE_NUMBER_ID": NUMBER_ID,
    }


def _dispatcher(broker_url: str, database: Database, simulator: int, internal: int) -> dict[str, str]:
    return {
        "KREISFUNK_BROKER_URL": broker_url,
        "KREISFUNK_INTERNAL_PORT": str(internal),
        "KREISFUNK_DATABASE_URL": database.url_as("kreisfunk_dispatcher"),
        "KREISFUNK_GRAPH_URL": f"http://{LOOPBACK}:{simulator}",
        "KREISFUNK_PHONE_NUMBER_ID": NUMBER_ID,
        "KREISFUNK_MESSAGES_PER_SECOND": str(LIMIT),
        "KREISFUNK_UNKNOWN_GRACE_SECONDS": "2",
        "KREISFUNK_REQUEST_TIMEOUT_SECONDS": "2",
        "KREISFUNK_DRAIN_SECONDS": "10",
    }

"""The compared servers, signed webhooks as the bytes of whole HTTP requests, and the content of the queues."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from benchmarks.harness import TESTED_CORE, BenchmarkServers, build_command, prepare_python, run_process, run_servers
from deploy.local.environments import PHONE_NUMBER_ID, build_process_environment
from deploy.local.ports import reserve_ports
from deploy.local.process import Child
from deploy.secrets import APP_SECRETS
from shared.amqp import topology
from shared.contracts.envelope import read_data, read_envelope
from shared.contracts.inbound import DeliveryStatuses
from simulator.webhooks.batches import HEADER, sign

PEERS_QUEUE = "benchmark.peers"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
STORING = ("each", "ours")  # these store before they answer, in our queue
TITLES = {
    "bare": "aiohttp that only answers 200",
    "dry": "the ingress without publishing",
    "each": "one confirmed aio-pika publish per webhook",
    "ours": "Kreisfunk ingress (group commit)",
    "fastapi": "FastAPI, one confirmed publish per status",
    "pywa": "pywa (answers before it publishes)",
}


@dataclass(frozen=True, kw_only=True)
class IngressHarness:
    servers: BenchmarkServers

    @property
    def secret(self) -> str:
        return self.servers.read_secret(APP_SECRETS)

    @asynccontextmanager
    async def run_server(self, name: str) -> AsyncIterator[tuple[int, Child]]:
        """Run a server alone on the first core; yield its port and process."""
        with reserve_ports(2) as (port, internal_port):
            environment = {
                **build_process_environment(
                    "ingress", self.servers.stack, internal_port=internal_port, listen_port=port
                ),
                "BENCHMARK_BROKER_URL": self.servers.broker_url,
                "BENCHMARK_APP_SECRET": self.secret,
            }
            if name in ("fastapi", "pywa"):
                python = await prepare_python("benchmark-ingress-venv", REQUIREMENTS)
                arguments: tuple[str, ...] = (f"benchmarks.ingress.peers.with_{name}",)
            else:
                python = sys.executable
                arguments = ("services.ingress",) if name == "ours" else ("benchmarks.ingress.servers", name, str(port))
            command = build_command(name, arguments, self.servers.folder, environment, core=TESTED_CORE, python=python)
            async with run_process(command, port=port) as child:
                yield port, child

    async def drain(self) -> tuple[int, int]:
        """Empty the queues of statuses and peers; return the numbers of events and messages in the first."""
        events = messages = 0
        async with await aio_pika.connect(self.servers.broker_url) as connection:
            channel = await connection.channel()
            await (await channel.get_queue(PEERS_QUEUE, ensure=False)).purge()
            await channel.set_qos(prefetch_count=500)
            queue = await channel.get_queue(topology.DISPATCHER_STATUSES.name, ensure=False)
            expected = (await channel.declare_queue(queue.name, passive=True)).declaration_result.message_count
            complete = asyncio.Event()

            async def count(incoming: AbstractIncomingMessage) -> None:
                nonlocal events, messages
                events += len(read_data(read_envelope(incoming.body), DeliveryStatuses).statuses)
                messages += 1
                if messages == expected or messages % 250 == 0:
                    await incoming.channel.basic_ack(incoming.delivery_tag or 0, multiple=True)
                if messages == expected:
                    complete.set()

            await queue.consume(count)
            if expected:
                await complete.wait()
        return events, messages


@asynccontextmanager
async def open_ingress_harness() -> AsyncIterator[IngressHarness]:
    async with run_servers() as servers:
        async with await aio_pika.connect(servers.broker_url) as connection, connection.channel() as channel:
            await channel.declare_queue(PEERS_QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        yield IngressHarness(servers=servers)


def build_requests(secret: str, statuses: int) -> list[bytes]:
    """Return 512 signed webhooks, each about different messages."""
    return [_build_request(_build_body(number, statuses), secret) for number in range(512)]


def _build_body(number: int, statuses: int) -> bytes:
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "4947919300", "phone_number_id": PHONE_NUMBER_ID},
        "contacts": [{"profile": {"name": "A"}, "wa_id": "491760406900001", "user_id": "DE.40100200300400500"}],
        "statuses": [
            {
                "id": f"wamid.{number:020}{item:06}",
                "status": "delivered",
                "timestamp": "1794300000",
                "recipient_id": "491760406900001",
                "biz_opaque_callback_data": f"01a1cee1-01d8-85e4-ada8-{number:06}{item:06}",
            }
            for item in range(statuses)
        ],
    }
    entry = {"id": "100200300400500", "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def _build_request(body: bytes, secret: str) -> bytes:
    head = (
        f"POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"{HEADER}: {sign(secret.encode(), body)}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body

"""A whole system with a municipal login, and citizens whose answers are timed."""

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
from aio_pika import DeliveryMode
from aiohttp import ClientSession

from deploy.local.stack import Stack, run_stack
from deploy.paths import ROOT
from deploy.secrets import NOTICES_API_TOKEN
from shared.amqp.permissions import MUNICIPAL_LIMITS
from shared.amqp.topology import EVENTS
from shared.contracts.envelope import CONTENT_TYPE, encode
from shared.contracts.events import NoticeRejected, Problem
from simulator.client import SimulatorClient, open_simulator_client
from tests.harness.commands import create_login
from tests.harness.notices_api import STRUCTURED, data, event
from tests.harness.notices_county import ROADS, write_county
from tests.servers import build_login_url, fetch_until, wait_for

LOGIN = "pressestelle"
SOURCE = "/landkreis-osterholz/pressestelle"
PER_SECOND = 100
CONNECTIONS = MUNICIPAL_LIMITS["max-connections"]
CHANNELS = MUNICIPAL_LIMITS["max-channels"] // CONNECTIONS  # of each
AT_ONCE = 100
RATE = 1_000  # of messages that leave: what is timed is the way to there


@dataclass(frozen=True, kw_only=True)
class MunicipalHarness:
    """`login_url` is the municipal system's, `other_url` that of another one."""

    stack: Stack
    simulator: SimulatorClient
    login_url: str
    other_url: str

    async def measure_answers(self, count: int, text: str = "Hilfe") -> float:
        """Let so many citizens write; within how many seconds 99 % of them were answered. All have to be."""
        before = await self._count_answers()
        citizens = set(await self.simulator.add_citizens(count, bsuid_only=0))
        await self.simulator.send_text(sorted(citizens), text, per_second=PER_SECOND)
        await fetch_until(self._count_answers, lambda answers: answers >= before + count, 120)
        answered = {one.citizen: one.accepted_at for one in await self.simulator.fetch_outbound()}
        written = {row["citizen"]: row["written_at"] for row in await self.simulator.fetch_inbound()}
        waits: list[float] = sorted(answered[one] - written[one] for one in citizens)
        return waits[int(count * 0.99) - 1]

    async def _count_answers(self) -> int:
        accepted: int = (await self.simulator.fetch_account())["accepted"]
        return accepted

    @asynccontextmanager
    async def flood_broker(
        self, way: str, size: int, connections: int = CONNECTIONS, *, url: str | None = None, shut_out: bool = False
    ) -> AsyncIterator[Counter[str]]:
        """Let the login flood the broker while the block runs. Counts what it does, and connections cut or refused.

        Begins once it does something, or is refused if it is to be `shut_out`.
        """
        login, numbers = url or self.login_url, map(str, (size, connections, CHANNELS))
        program = (sys.executable, "-m", "tests.integration.neighbours.flood", login, way, *numbers)
        process = await asyncio.create_subprocess_exec(*program, cwd=ROOT, stdin=PIPE, stdout=PIPE)
        assert process.stdout is not None
        seen: Counter[str] = Counter()
        counting = asyncio.create_task(count_lines(process.stdout, seen))
        try:
            await wait_for(lambda: bool(seen if shut_out else seen.keys() - {"cut"}))
            yield seen
        finally:
            process.kill()
            await process.wait()
            await counting

    async def publish_over_http(self) -> float:
        """Return how many seconds it takes until a notice is accepted."""
        token = (self.stack.folder / "secrets" / NOTICES_API_TOKEN).read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": STRUCTURED}
        began = time.monotonic()
        notice = event(data=data(), source=SOURCE, subject=uuid4().hex)
        async with ClientSession(self.stack.notices_api_url, headers=headers) as client:
            async with client.post("/notices", data=json.dumps(notice)) as answer:
                assert answer.status == 202, await answer.text()
                location = answer.headers["Location"]

            async def fetch() -> Any:
                async with client.get(location) as response:
                    return await response.json()

            known = await fetch_until(fetch, lambda progress: progress["state"] != "received")
        assert known["state"] != "rejected", known
        return time.monotonic() - began

    async def publish_rejections(self, count: int, size: int) -> None:
        """As many rejections of this size, for everybody to read."""
        problem = Problem(field="x", problem="x" * size)
        said = NoticeRejected(source="/somebody", event="x", problems=(problem,), system="somebody")
        body = encode(said, event_id="x", source="/kreisfunk/subscriptions", time=datetime.now(UTC))
        async with await aio_pika.connect(self.stack.broker_url) as connection:
            channel = await connection.channel()
            exchange = await channel.get_exchange(EVENTS, ensure=False)
            message = aio_pika.Message(body, content_type=CONTENT_TYPE, delivery_mode=DeliveryMode.PERSISTENT)
            for _ in range(0, count, AT_ONCE):
                await asyncio.gather(*(exchange.publish(message, said.KEY) for _ in range(AT_ONCE)))

    async def count_messages(self, queue: str) -> int:
        """Return how many wait there and are in nobody's hands."""
        async with await aio_pika.connect(self.stack.broker_url) as connection, connection.channel() as channel:
            declared = await channel.declare_queue(queue, passive=True)
        return declared.declaration_result.message_count or 0

    async def purge(self, queue: str) -> None:
        async with await aio_pika.connect(self.stack.broker_url) as connection, connection.channel() as channel:
            await (await channel.get_queue(queue, ensure=False)).purge()

    def read_alarms(self) -> list[str]:
        """Return what the broker wrote down of alarms, since it was started."""
        return [line for line in self._read_broker_log() if "alarm set" in line]

    def measure_log_entries(self) -> list[int]:
        """Return how many bytes the broker wrote down at once, each time; the lines of an entry begin alike."""
        entries: Counter[str] = Counter()
        for line in self._read_broker_log():
            entries[line.partition("> ")[0]] += len(line)
        return list(entries.values())

    def _read_broker_log(self) -> list[str]:
        """Return all lines, also of the files that the broker has rotated."""
        files = sorted((self.stack.folder / "rabbitmq").glob("rabbitmq.log*"))
        return [line for file in files for line in file.read_text().splitlines()]

    async def count_refused_webhooks(self) -> float:
        """Return how many were answered with 503."""
        async with ClientSession() as session, session.get(self.stack.metrics_urls["ingress-1"]) as response:
            lines = (await response.text()).splitlines()
        return sum(float(line.split()[-1]) for line in lines if '_total{result="unavailable"}' in line)


async def count_lines(stream: asyncio.StreamReader, counted: Counter[str]) -> None:
    async for line in stream:
        counted[line.decode().strip()] += 1


@asynccontextmanager
async def run_municipal_harness(folder: Path) -> AsyncIterator[MunicipalHarness]:
    async with (
        run_stack(folder, dispatchers=1, messages_per_second=RATE, county=write_county(folder)) as stack,
        open_simulator_client(stack.simulator_url, stack.control_token) as simulator,
    ):
        password = (stack.folder / "secrets" / LOGIN / "kreisfunk_broker_password").read_text().strip()
        login_url = build_login_url(stack.broker_url, LOGIN, password)
        other_url = await create_login(stack.folder, ROADS)
        yield MunicipalHarness(stack=stack, simulator=simulator, login_url=login_url, other_url=other_url)

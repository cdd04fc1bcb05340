"""A whole system with a municipal login, and citizens whose answers are timed."""

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
from aio_pika import DeliveryMode
from aiohttp import ClientSession

from cli.demo.simulator import Simulator, open_simulator
from deploy.local.secret_files import DOOR_TOKEN
from deploy.local.stack import Stack, local_stack
from shared.amqp.logins import MUNICIPAL_LIMITS
from shared.amqp.topology import EVENTS
from shared.contracts.envelope import CONTENT_TYPE, encode
from shared.contracts.events import NoticeRejected, Problem
from tests.integration.cli.commands import REPOSITORY
from tests.integration.door.door import STRUCTURED, data, event
from tests.servers import basic_authorization, url_with_login, wait_for

LOGIN = "pressestelle"
OTHER_LOGIN = "feeds"
SOURCE = "/landkreis-osterholz/pressestelle"
PER_SECOND = 100
CONNECTIONS = MUNICIPAL_LIMITS["max-connections"]
CHANNELS = MUNICIPAL_LIMITS["max-channels"] // CONNECTIONS  # of each
AT_ONCE = 100
RATE = 1_000  # of messages that leave: what is timed is the way to there


@dataclass(frozen=True, kw_only=True)
class County:
    """`login_url` is the municipal system's, `other_url` that of another one."""

    stack: Stack
    simulator: Simulator
    login_url: str
    other_url: str

    async def slowest_answers(self, count: int, text: str = "Hilfe") -> float:
        """Let so many citizens write; within how many seconds 99 % of them were answered. All have to be."""
        citizens = set(await self.simulator.add_citizens(count, bsuid_only=0))
        await self.simulator.write(sorted(citizens), text, per_second=PER_SECOND)
        taken: list[float] = []

        async def everybody_has_an_answer() -> bool:
            answered = {one.citizen: one.accepted_at for one in await self.simulator.outbound()}
            written = {row["citizen"]: row["written_at"] for row in await self.simulator.inbound()}
            taken[:] = [answered[one] - written[one] for one in citizens if one in answered]
            return len(taken) == count

        await wait_for(everybody_has_an_answer, 120)
        return sorted(taken)[int(count * 0.99) - 1]

    @asynccontextmanager
    async def flooded(
        self, way: str, size: int, connections: int = CONNECTIONS, *, url: str | None = None
    ) -> AsyncIterator[Counter[str]]:
        """Let the login flood the broker while the block runs. Counts what it does, and connections cut or refused."""
        login, numbers = url or self.login_url, map(str, (size, connections, CHANNELS))
        program = (sys.executable, "-m", "tests.integration.neighbours.flood", login, way, *numbers)
        process = await asyncio.create_subprocess_exec(*program, cwd=REPOSITORY, stdin=PIPE, stdout=PIPE)
        assert process.stdout is not None
        seen: Counter[str] = Counter()
        counting = asyncio.create_task(count_lines(process.stdout, seen))
        try:
            await wait_for(lambda: happens(lambda: seen.total() > seen["cut"]))
            yield seen
        finally:
            process.kill()
            await process.wait()
            await counting

    async def publish_over_http(self) -> float:
        """How many seconds it takes until a notice is accepted."""
        token = (self.stack.folder / "secrets" / DOOR_TOKEN).read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": STRUCTURED}
        began, known = time.monotonic(), {"state": "received"}
        notice = event(data=data(), source=SOURCE, subject=uuid4().hex)
        async with ClientSession(self.stack.door_url, headers=headers) as client:
            async with client.post("/notices", data=json.dumps(notice)) as answer:
                assert answer.status == 202, await answer.text()
                location = answer.headers["Location"]

            async def is_accepted() -> bool:
                async with client.get(location) as response:
                    known.update(await response.json())
                return known["state"] != "received"

            await wait_for(is_accepted)
        assert known["state"] != "rejected", known
        return time.monotonic() - began

    async def tell_the_world(self, count: int, size: int) -> None:
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

    async def queue(self, name: str) -> dict[str, Any]:
        """What the broker says of a queue."""
        found: dict[str, Any] = await self._ask(f"queues/%2F/{name}")
        return found

    async def _ask(self, path: str) -> Any:
        headers = basic_authorization(self.stack.broker_url)
        async with (
            ClientSession(headers=headers, raise_for_status=True) as session,
            session.get(f"{self.stack.broker_api_url}/api/{path}") as response,
        ):
            return await response.json()

    def alarms(self) -> list[str]:
        """What the broker wrote down of alarms, since it was started."""
        log = (self.stack.folder / "rabbitmq" / "rabbitmq.log").read_text()
        return [line for line in log.splitlines() if "alarm set" in line]

    async def refused_webhooks(self) -> float:
        """How many were answered with 503."""
        async with ClientSession() as session, session.get(self.stack.metrics_urls["ingress-1"]) as response:
            lines = (await response.text()).splitlines()
        return sum(float(line.split()[-1]) for line in lines if '_total{result="unavailable"}' in line)


async def count_lines(stream: asyncio.StreamReader, counted: Counter[str]) -> None:
    async for line in stream:
        counted[line.decode().strip()] += 1


async def happens(condition: Callable[[], bool]) -> bool:
    return condition()


@asynccontextmanager
async def running_county(folder: Path) -> AsyncIterator[County]:
    async with (
        local_stack(folder, dispatchers=1, messages_per_second=RATE) as stack,
        open_simulator(stack.simulator_url, stack.control_token) as simulator,
    ):
        login_url, other_url = (municipal_url(stack, login) for login in (LOGIN, OTHER_LOGIN))
        yield County(stack=stack, simulator=simulator, login_url=login_url, other_url=other_url)


def municipal_url(stack: Stack, login: str) -> str:
    password = (stack.folder / "secrets" / login / "kreisfunk_broker_password").read_text().strip()
    return url_with_login(stack.broker_url, login, password)

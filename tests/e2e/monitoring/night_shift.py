"""The system at night: what breaks it, and whoever follows the runbooks."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import aio_pika
import asyncpg
import msgspec

from deploy.local.ports import LOOPBACK
from deploy.local.services import Service
from deploy.stack_file import BUSINESS_ACCOUNT_ID
from shared.amqp import topology
from tests.e2e.dialogue.webhooks import post_webhook
from tests.e2e.monitoring.hurried_watch import HurriedWatch
from tests.e2e.monitoring.monitored_system import MonitoredSystem
from tests.e2e.monitoring.night_operator import NightOperator
from tests.proxy import NetworkConditions, Proxy, run_proxy
from tests.servers import fetch_until, wait_for

FIREWALL = NetworkConditions(page=b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
MOVED = ("/presse", "/umgezogen")


@dataclass(frozen=True, kw_only=True)
class NightShift:
    """`citizens` are known to nobody else, and have subscribed to nothing."""

    system: MonitoredSystem
    watch: HurriedWatch
    operator: NightOperator
    database: asyncpg.Connection
    citizens: list[int]

    async def wait_for_refused(self) -> set[str]:
        """The deliveries whose result was refused, once their last status was, too: a later one would settle them."""
        found: set[str] = set()

        async def are_told() -> bool:
            seen = await self.operator.look("RowsRefused")
            last = re.findall(r'"delivery":"([0-9a-f-]{36})","state":"delivered".+"event":"status_refused"', seen)
            found.update(re.findall(r'"delivery":"([0-9a-f-]{36})".+"event":"result_refused"', seen))
            return bool(found) and found <= {*last}

        await wait_for(are_told)
        return found

    async def write(self, count: int, text: str) -> None:
        """Each time other citizens, as Meta makes a person wait who gets several messages."""
        chosen, self.citizens[:count] = self.citizens[:count], []
        await self.system.editors.simulator.send_text(chosen, text, per_second=100)

    async def say_as_meta(self, *changes: tuple[str, dict[str, Any]]) -> None:
        """Send a webhook about the account."""
        listed = [{"field": field, "value": value} for field, value in changes]
        entry = {"id": BUSINESS_ACCOUNT_ID, "time": int(time.time()), "changes": listed}
        body = msgspec.json.encode({"object": "whatsapp_business_account", "entry": [entry]})
        assert await post_webhook(self.system.stack, body) == 200

    async def publish(self, topic: str) -> None:
        text = f"Bis Freitag, {uuid4().hex[:8]}."
        await self.system.run_kreisfunk("publish", "--topic", topic, "--headline", "L 149", "--text", text)

    async def find_ended_broadcast(self) -> UUID:
        """The newest, or else a new one."""
        newest = "select id from dispatcher.broadcast where finished_at is not null order by finished_at desc limit 1"
        if not await self.database.fetchval(newest):
            await self.publish("baustellen")
        found: UUID = await fetch_until(lambda: self.database.fetchval(newest), bool)
        return found

    async def change_ledger(self, statement: str) -> None:
        """Again, if it met a dispatcher that locks the same partitions in another order."""

        async def changed() -> bool:
            try:
                await self.database.execute(statement)
            except asyncpg.DeadlockDetectedError:
                return False
            return True

        await wait_for(changed)

    async def send_to_queue(self, queue: str, count: int) -> None:
        """Send a message that no service can parse."""
        async with await aio_pika.connect(self.system.stack.broker_url) as connection:
            channel = await connection.channel()
            for start in range(0, count, 500):
                messages = [self._build_nonsense() for _ in range(start, min(count, start + 500))]
                await asyncio.gather(*(channel.default_exchange.publish(each, queue) for each in messages))

    @staticmethod
    def _build_nonsense() -> aio_pika.Message:
        return aio_pika.Message(b"?", message_id=uuid4().hex, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)

    async def break_for_long(self) -> None:
        """What is seen after a minute only."""
        self._replace_in_feeds_file(*MOVED)
        await self.system.restart_feeds()
        await self.database.execute("revoke delete on dispatcher.refusal from kreisfunk_dispatcher")
        await self.database.execute("revoke insert on subscriptions.feedback from kreisfunk_subscriptions")
        await self.write(1, "Feedback: gut so")
        await self.send_to_queue(topology.DISPATCHER_ACCOUNT.dead_letter_queue, 1)

    def mend_feeds(self) -> None:
        self._replace_in_feeds_file(*reversed(MOVED))

    def _replace_in_feeds_file(self, old: str, new: str) -> None:
        file = Path(self.system.feeds.command.environment["KREISFUNK_FEEDS_FILE"])
        file.write_text(file.read_text().replace(old, new))


@asynccontextmanager
async def put_behind_a_firewall(system: MonitoredSystem, name: str) -> AsyncIterator[Proxy]:
    """A dispatcher whose way to Meta leads through a proxy that answers in Meta's place at first."""
    supervisor = system.stack.supervisor
    dispatcher, simulator = supervisor.find(name), urlsplit(system.stack.simulator_url).port
    assert isinstance(dispatcher, Service)
    assert simulator
    usual = dispatcher.command
    async with run_proxy([simulator]) as network:
        network.set_conditions(FIREWALL)
        environment = {**usual.environment, "KREISFUNK_GRAPH_URL": f"http://{LOOPBACK}:{network.port}"}
        await supervisor.stop_one(name)
        dispatcher.command = replace(usual, environment=environment)
        try:
            await supervisor.start_one(name)
            yield network
        finally:
            dispatcher.command = usual
            await supervisor.stop_one(name)
            await supervisor.start_one(name)

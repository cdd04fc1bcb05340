"""The broker stopped and started, and the ingress killed, while webhooks come: an answered one is stored."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from aiohttp import ClientError

from shared.contracts.inbound import DeliveryStatuses
from tests.factories.webhooks import build_status, build_statuses_body
from tests.harness.ingress import IngressProcess, run_ingress
from tests.harness.ingress_queues import open_queues
from tests.integration.ingress.test_broker_away import Broker, broker
from tests.servers import wait_for

__all__ = ["broker"]
SENDERS = 16
RETRY_SECONDS = 0.1


class Meta:
    """Sends each webhook until it is answered 200, as Meta does; counts what was refused in between."""

    def __init__(self) -> None:
        self.ingress: IngressProcess | None = None
        self.accepted: set[str] = set()
        self.refused = 0
        self._stopped = False

    async def send(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            if self._stopped:
                return
            await self._until_accepted(number)

    def stop(self) -> None:
        """Send nothing new; what was begun is sent until it is accepted."""
        self._stopped = True

    async def has_accepted(self, more: int) -> None:
        goal = len(self.accepted) + more

        async def reached() -> bool:
            return len(self.accepted) >= goal

        await wait_for(reached)

    async def was_refused(self) -> None:
        before = self.refused

        async def reached() -> bool:
            return self.refused > before

        await wait_for(reached)

    async def _until_accepted(self, number: int) -> None:
        while await self._answer(number) != 200:
            self.refused += 1
            await asyncio.sleep(RETRY_SECONDS)
        self.accepted.add(f"delivery-{number}")

    async def _answer(self, number: int) -> int:
        if self.ingress is None:
            return 0
        try:
            return await self.ingress.post(build_statuses_body(build_status(number)))
        except ClientError:
            return 0


async def stored(url: str) -> set[str | None]:
    async with open_queues(url) as queues:
        groups = await queues.take(DeliveryStatuses)
    return {event.delivery for group in groups for event in group.statuses}


async def test_what_was_answered_200_is_stored_though_broker_and_ingress_die_under_load(
    broker: Broker, tmp_path: Path
) -> None:
    meta, numbers = Meta(), iter(range(10**6))
    senders = [asyncio.create_task(meta.send(numbers)) for _ in range(SENDERS)]
    async with run_ingress(broker.url, tmp_path / "first.log") as first:
        meta.ingress = first
        await meta.has_accepted(300)
        await broker.stop()
        await meta.was_refused()
        await broker.start()
        await meta.has_accepted(300)
        first.child.kill()
        await meta.was_refused()
        meta.ingress = None
    async with run_ingress(broker.url, tmp_path / "second.log") as second:
        meta.ingress = second
        await meta.has_accepted(300)
        meta.stop()
        await asyncio.gather(*senders)
    assert meta.accepted <= await stored(broker.admin_url)

"""Part `ledger`: `python -m benchmarks.dispatch.ledger DATABASE_URL DELIVERIES` prints rows per second by statement."""

import asyncio
import json
import secrets
import sys
import time
from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from uuid import UUID

from prometheus_client import CollectorRegistry

from benchmarks.dispatch.harness import MAX_BATCH_RECIPIENTS, DispatchHarness, build_batches
from benchmarks.dispatch.statuses import STATUS_SEQUENCE, build_status, encode_group, run_floods
from benchmarks.harness import TESTED_CORE, Table, build_command
from deploy.local.environments import PHONE_NUMBER_ID
from deploy.local.process import run_to_end
from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.metrics import Metrics
from services.dispatcher.adapters.rate_limiter import PostgresRateLimiter
from services.dispatcher.domain.claims import Batch
from services.dispatcher.domain.content import build_template_body
from services.dispatcher.domain.send_results import Record
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.handlers.consumers import StatusHandler, handle_message
from services.dispatcher.handlers.pauses import Pauses
from shared.contracts.dispatch import BroadcastBatch
from shared.contracts.inbound import DeliveryStatuses
from shared.contracts.message import Address, AddressKind
from shared.database.pool import open_database

LEASE_AT_80, RESULTS_AT_1000 = 8, 50
DELIVERIES = 20_000
Part = TypeVar("Part")


async def run_ledger(harness: DispatchHarness, _: Namespace) -> None:
    """Measure the statements, then floods of statuses."""
    table = Table(f"Ledger: rows per second on one connection, {DELIVERIES:,} deliveries")
    for title, rate in (await run_statements(harness, DELIVERIES)).items():
        table.add({"statement": title, "rows/s": rate})
    await run_floods(harness)


async def run_statements(harness: DispatchHarness, deliveries: int) -> dict[str, float]:
    """Run the statements in a process of its own on the tested core; return rows per second of each."""
    arguments = ("benchmarks.dispatch.ledger", harness.database_url, str(deliveries))
    command = build_command("statements", arguments, harness.servers.folder, core=TESTED_CORE)
    await run_to_end(command)
    figures: dict[str, float] = json.loads(command.log.read_text().splitlines()[-1])
    return figures


class LedgerBenchmark:
    """Benchmark that moves deliveries through the ledger, one kind of statement after the other."""

    def __init__(self, ledger: PostgresLedger, deliveries: int) -> None:
        self._ledger = ledger
        meter = Metrics(CollectorRegistry(), limit=80)
        self._limiter = PostgresRateLimiter(ledger.database, number=ledger.number, limit=80)
        pauses = Pauses(ledger, self._limiter, meter)
        self._statuses = StatusHandler(ledger=ledger, pauses=pauses, meter=meter)
        self._deliveries = deliveries
        self._claimed: list[UUID] = []

    async def run(self) -> dict[str, float]:
        """Return rows per second by statement."""
        await self._limiter.set_up()
        few, many = await self._build_pages(self._deliveries // 10), await self._build_pages(self._deliveries)
        return {
            f"claims, {LEASE_AT_80} in a statement": await self._measure_claims(few, LEASE_AT_80),
            f"claims, {MAX_BATCH_RECIPIENTS} in a statement": await self._measure_claims(many, MAX_BATCH_RECIPIENTS),
            f"results, {RESULTS_AT_1000} in a statement": await self._measure_results(),
            "statuses, 100 in a message": await self._measure_statuses(),
            "statuses that were known": await self._measure_statuses(),
        }

    async def _build_pages(self, deliveries: int) -> list[BroadcastBatch]:
        address = Address(kind=AddressKind.PHONE, index=secrets.token_bytes(16), sealed=secrets.token_bytes(44))
        pages = list(build_batches([address] * MAX_BATCH_RECIPIENTS, audience=deliveries))
        await self._ledger.register(pages[-1], build_template_body(pages[-1].template))
        return pages

    async def _measure_claims(self, pages: Sequence[BroadcastBatch], size: int) -> float:
        async def claim(page: BroadcastBatch) -> None:
            batch = Batch(page, build_template_body(page.template))
            while batch.remaining:
                self._claimed += [claim.delivery for claim in await self._ledger.claim_batch(batch, size)]
                batch.position += len(batch.peek_recipients(size))

        return await _measure_rate(claim, pages, sum(len(page.recipients) for page in pages))

    async def _measure_results(self) -> float:
        async def record(group: Sequence[UUID]) -> None:
            key = secrets.token_bytes(16)
            records = [Record(delivery, 1, DeliveryState.ACCEPTED, message_key=key) for delivery in group]
            await self._ledger.record(records)

        return await _measure_rate(record, _split_groups(self._claimed, RESULTS_AT_1000), len(self._claimed))

    async def _measure_statuses(self) -> float:
        """Apply three statuses to each delivery, each kind to all before the next."""

        async def apply(body: bytes) -> None:
            await handle_message({DeliveryStatuses: self._statuses.apply}, body)

        bodies = [
            encode_group([build_status(str(delivery), word) for delivery in group])
            for word in STATUS_SEQUENCE
            for group in _split_groups(self._claimed, 100)
        ]
        return await _measure_rate(apply, bodies, len(STATUS_SEQUENCE) * len(self._claimed))


def _split_groups(deliveries: Sequence[UUID], size: int) -> list[Sequence[UUID]]:
    return [deliveries[start : start + size] for start in range(0, len(deliveries), size)]


async def _measure_rate(action: Callable[[Part], Awaitable[object]], parts: Sequence[Part], rows: int) -> float:
    started = time.perf_counter()
    for part in parts:
        await action(part)
    return rows / (time.perf_counter() - started)


async def main(database_url: str, deliveries: int) -> None:
    async with open_database(database_url, password=None, name="benchmark", size=1) as database:
        ledger = PostgresLedger(database, number=PHONE_NUMBER_ID, slot=0)
        await ledger.ensure_partitions()
        print(json.dumps(await LedgerBenchmark(ledger, deliveries).run()))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))

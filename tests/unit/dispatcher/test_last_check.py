"""A message whose connection took long to open is checked again at the moment of writing."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from services.dispatcher.adapters.metrics import Metrics
from services.dispatcher.domain.pacing import MAX_CLAIM_SECONDS
from services.dispatcher.domain.send_results import Accepted, NotSent, Record, SendResult
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.handlers.sender import Sender
from services.dispatcher.ports import Claim
from shared.contracts.message import Address, AddressKind, Lane
from shared.runtime.clock import Instant

NOTHING: Any = None
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


@dataclass
class SlowGraph:
    """Meta, to which a connection opens when the test says so."""

    connected: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def send(self, _: Claim, may_leave: Callable[[], bool]) -> asyncio.Future[Any]:
        async def write() -> bool:
            await self.connected
            return may_leave()

        return asyncio.ensure_future(write())

    def answer(self, sent: asyncio.Future[bool]) -> SendResult:
        return Accepted("wamid.1") if sent.result() else NotSent()

    def hash_message_id(self, message_id: str) -> bytes:
        return message_id.encode()


class DatabaseClock:
    """A limiter of which only the clock is used."""

    now = NOW

    def read_clock(self) -> datetime:
        return self.now


class Records(list[Record]):
    """A recorder that commits at once."""

    def add(self, result: Callable[[], Record]) -> None:
        self.append(result())


@pytest.mark.parametrize(
    ("age", "expires_in", "is_stopping", "state"),
    [
        (0.0, 1, False, DeliveryState.ACCEPTED),
        (MAX_CLAIM_SECONDS, 1, False, DeliveryState.WAITING),
        (0.0, 1, True, DeliveryState.WAITING),
        (0.0, 0, False, DeliveryState.EXPIRED),
    ],
    ids=["in time", 'a "Stop" may have come since', "the service is stopping", "too late to be read"],
)
async def test_what_may_not_leave_any_more_is_not_written(
    age: float, expires_in: int, is_stopping: bool, state: DeliveryState
) -> None:
    graph: Any = SlowGraph()
    clock: Any = DatabaseClock()
    records: Any = Records()
    meter = Metrics(CollectorRegistry(), limit=10)
    sender = Sender(graph, NOTHING, NOTHING, clock, records, meter, max_requests=10, timeout=20)
    address = Address(kind=AddressKind.PHONE, index=b"", sealed=b"")
    claim = Claim(UUID(int=1), Lane.BULK, address, {}, NOW, NOW + timedelta(seconds=1), Instant.now())
    sender.start(claim)
    # All this passes while the connection opens.
    steady, wall = claim.claimed_at
    claim.claimed_at = Instant(steady - age, wall - age)
    clock.now, sender.stopping = claim.expires_at - timedelta(seconds=expires_in), is_stopping
    graph.connected.set_result(None)
    await sender.drain(1)
    assert [record.state for record in records] == [state]

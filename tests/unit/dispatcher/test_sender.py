"""The last check before a message is written, and whether an answer is about one message or about all."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import AsyncMock
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from services.dispatcher.adapters.metrics import Metrics
from services.dispatcher.domain.claims import Claim, Instant
from services.dispatcher.domain.pacing import MAX_CLAIM_SECONDS
from services.dispatcher.domain.send_results import (
    ISOLATED_REFUSAL_SECONDS,
    Accepted,
    ErrorResponse,
    NotSent,
    Record,
    Refused,
    SendResult,
)
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.handlers.sender import Sender
from shared.contracts.message import Address, AddressKind, Lane
from shared.runtime.clock import read_clocks

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
LOCKED = 131031
MAX_REQUESTS = 10
ONE, OTHER, BROADCAST = (UUID(int=number) for number in range(3))


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


def build_sender(graph: Any) -> tuple[Sender, DatabaseClock, Records]:
    clock, records, nothing = DatabaseClock(), Records(), AsyncMock()
    meter = Metrics(CollectorRegistry(), limit=10)
    parts: Any = {"lanes": nothing, "pauses": nothing, "limiter": clock, "recorder": records, "meter": meter}
    return Sender(graph, **parts, max_requests=MAX_REQUESTS, timeout=20), clock, records


def build_claim(*, delivery: UUID = ONE, broadcast: UUID | None = BROADCAST, error_code: int | None = None) -> Claim:
    address = Address(kind=AddressKind.PHONE, index=b"", sealed=b"")
    claim = Claim(delivery, Lane.BULK, address, {}, NOW, NOW + timedelta(seconds=1), Instant(*read_clocks()))
    return replace(claim, broadcast=broadcast, error_code=error_code)


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
    graph = SlowGraph()
    sender, clock, records = build_sender(graph)
    claim = build_claim()
    sender.start(claim)
    assert sender.free_requests == MAX_REQUESTS - 1
    # All this passes while the connection opens.
    steady, wall = claim.claimed_at
    claim.claimed_at = Instant(steady - age, wall - age)
    clock.now, sender.stopping = claim.expires_at - timedelta(seconds=expires_in), is_stopping
    graph.connected.set_result(None)
    await sender.drain(1)
    assert [record.state for record in records] == [state]
    assert sender.free_requests == MAX_REQUESTS


@dataclass
class SayingGraph:
    """Meta, which says `says` to whatever comes next."""

    says: SendResult
    sent: int = 0

    def send(self, *_: object) -> asyncio.Future[SendResult]:
        self.sent += 1
        answered: asyncio.Future[SendResult] = asyncio.get_running_loop().create_future()
        answered.set_result(self.says)
        return answered

    def answer(self, sent: asyncio.Future[SendResult]) -> SendResult:
        return sent.result()

    def hash_message_id(self, message_id: str) -> bytes:
        return message_id.encode()


@pytest.mark.parametrize(
    ("order", "is_alone"),
    [
        ("one one", False),
        ("other one one", False),
        ("one reply one", False),
        ("one other one", True),
    ],
)
@pytest.mark.parametrize("refusal", [ErrorResponse(LOCKED, 403), Refused("it cannot be decrypted")])
async def test_what_is_refused_twice_is_refused_alone_only_if_another_of_its_kind_is_accepted_meanwhile(
    refusal: ErrorResponse | Refused, order: str, is_alone: bool
) -> None:
    """Otherwise the account may be locked; a message that is refused alone is given up some day."""
    graph = SayingGraph(refusal)
    sender, _, records = build_sender(graph)
    errors = dict[UUID, int | None]()
    for name in order.split():
        graph.says = refusal if name == "one" else Accepted("wamid.1")
        delivery, broadcast = ONE if name == "one" else OTHER, None if name == "reply" else BROADCAST
        sender.start(build_claim(delivery=delivery, broadcast=broadcast, error_code=errors.get(delivery)))
        await sender.drain(1)
        errors[delivery] = records[-1].error_code
    last = records[-1]
    alone = last.attempted if last.error_code else last.due_at == NOW + timedelta(seconds=ISOLATED_REFUSAL_SECONDS)
    assert (last.state, alone) == (DeliveryState.WAITING, is_alone)

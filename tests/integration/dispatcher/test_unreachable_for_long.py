"""However long something other than Meta answers, the messages of the lanes end nowhere but in the ledger."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

import pytest

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.rate_limiter import PostgresRateLimiter
from services.dispatcher.domain import pacing, reachability, send_results
from services.dispatcher.domain.claims import Claim
from services.dispatcher.domain.pacing import Lease
from services.dispatcher.domain.send_results import Accepted, NoResponse, NotSent, Refused, SendResult
from services.dispatcher.handlers import recorder as recording
from shared.amqp import topology
from shared.amqp.connection import connect_twice
from shared.amqp.consumer import open_consumer
from shared.amqp.pausable import PausableConsumer
from shared.runtime.background import repeat, run_in_background
from tests.integration.dispatcher.endpoint_harness import EndpointHarness
from tests.integration.dispatcher.replica import build_replica
from tests.servers import fetch_until

RATE, RECIPIENTS = 20, 20
MANY_RECIPIENTS = 100
# Slots that are open when the first answer comes; claims for them may be under way.
OPEN_SLOTS = int(RATE * pacing.MAX_PREFETCH_SECONDS) + pacing.compute_lease_slots(RATE, MANY_RECIPIENTS)
PROBES = topology.DELIVERY_LIMIT + 10
REPLIES = 2 * PROBES
# As a service has them, with as much between a result, the search for work and the next probe, only shorter.
COMMIT_SECONDS, SEARCH_SECONDS, BACKOFF_SECONDS = 0.01, 0.02, 0.15
_CLAIMED = """
    select count(*), count(*) filter (where claimed_at > to_timestamp($1)) from dispatcher.delivery where claim > 0
"""
PAGE = NoResponse("HTTP 503 that is not from Meta", foreign=True)


@dataclass
class RecordingRateLimiter(PostgresRateLimiter):
    """A rate limiter that keeps when it granted how many slots."""

    granted: list[tuple[float, int]] = field(default_factory=list)

    async def reserve(self, slots: int) -> Lease:
        lease = await super().reserve(slots)
        self.granted.append((time.time(), lease.slots))
        return lease


@dataclass
class Gateway:
    """Something before Meta, which answers every request with a page of its own as long as it is broken."""

    broken: bool = True
    sent: list[Claim] = field(default_factory=list)
    answered_at: list[float] = field(default_factory=list)
    refused: set[UUID] = field(default_factory=set)
    too_late: int = 0

    def prepare(self, _: Iterable[Claim]) -> None:
        """There is nothing to encode."""

    def send(self, claim: Claim, may_leave: Callable[[], bool]) -> asyncio.Future[SendResult]:
        answer = asyncio.get_running_loop().create_future()
        if not may_leave():  # on a machine that is too busy
            self.too_late += 1
            answer.set_result(NotSent())
            return answer
        self.sent.append(claim)
        self.answered_at.append(time.time())
        answer.set_result(self.choose_result(claim))
        return answer

    def choose_result(self, claim: Claim) -> SendResult:
        return PAGE if self.broken else Accepted(str(claim.delivery))

    def answer(self, sent: asyncio.Future[SendResult]) -> SendResult:
        return sent.result()

    def hash_message_id(self, message_id: str) -> bytes:
        return message_id.encode()


class FlappingGateway(Gateway):
    """One that answers every second request itself."""

    def choose_result(self, claim: Claim) -> SendResult:
        return PAGE if len(self.sent) % 2 else Accepted(str(claim.delivery))


class PickyGateway(Gateway):
    """One that refuses single messages, and lets all others through."""

    def choose_result(self, claim: Claim) -> SendResult:
        refusal = Refused("HTTP 403 that is not from Meta", foreign=True)
        return refusal if claim.delivery in self.refused else Accepted(str(claim.delivery))


@pytest.fixture(autouse=True)
def quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "GROUP_INTERVAL_SECONDS", COMMIT_SECONDS)
    monkeypatch.setattr(send_results, "REFUSED_SECONDS", SEARCH_SECONDS)
    monkeypatch.setattr(reachability, "MIN_BACKOFF_SECONDS", BACKOFF_SECONDS)
    monkeypatch.setattr(reachability, "MAX_BACKOFF_SECONDS", BACKOFF_SECONDS)


@asynccontextmanager
async def run_replica(
    harness: EndpointHarness, ledger: PostgresLedger, gateway: Gateway, people_a_day: int | None = None
) -> AsyncIterator[RecordingRateLimiter]:
    """One replica, as it is put together in a service."""
    limiter, wake = RecordingRateLimiter(ledger.database, ledger.number, RATE, people_a_day), asyncio.Event()
    await limiter.set_up()
    async with connect_twice(harness.broker_url, password=None, name="test") as both:
        queues = {
            lane: PausableConsumer(partial(open_consumer, *both, queue, prefetch=64), wake)
            for lane, queue in topology.LANES.items()
        }
        replica = build_replica(ledger, limiter, gateway, queues, wake)
        searching = repeat(replica.find_work, SEARCH_SECONDS)
        async with run_in_background(replica.recorder.run(), searching, *(queue.run() for queue in queues.values())):
            sending = asyncio.create_task(replica.loop.run(5.0))
            yield limiter
            replica.loop.stop()
            await sending
            await replica.recorder.idle.wait()


@pytest.mark.parametrize("kind", [Gateway, FlappingGateway])
async def test_the_messages_of_the_lanes_outlive_any_number_of_probes(
    harness: EndpointHarness, ledger: PostgresLedger, kind: type[Gateway]
) -> None:
    gateway = kind()
    await harness.publish_broadcast(harness.build_citizens(RECIPIENTS))
    for citizen in harness.build_citizens(REPLIES):
        await harness.request_reply(citizen, "Guten Tag")

    async def are_settled() -> bool:
        dead = {queue.name: await harness.count_messages(queue.dead_letter_queue) for queue in topology.QUEUES}
        assert not any(dead.values()), dead
        states = await harness.count_states()
        return states.keys() == {"unknown", "accepted"} and sum(states.values()) == RECIPIENTS + REPLIES

    async with run_replica(harness, ledger, gateway):
        await harness.wait_until(lambda: len(gateway.sent) >= PROBES)
        assert not await are_settled()
        gateway.broken = False
        await harness.wait_until(are_settled)
    deliveries = [claim.delivery for claim in gateway.sent]
    assert len(deliveries) == len(set(deliveries)) == RECIPIENTS + REPLIES


@pytest.mark.parametrize("kind", ["replies", "a broadcast"])
async def test_single_messages_that_something_else_refuses_keep_no_others_from_leaving(
    harness: EndpointHarness, ledger: PostgresLedger, kind: str
) -> None:
    gateway, others, unlucky = PickyGateway(), harness.build_citizens(RECIPIENTS), harness.build_citizens(2)
    for citizen in unlucky:
        gateway.refused.add(await harness.request_reply(citizen, "Guten Tag"))
    async with run_replica(harness, ledger, gateway):
        await harness.wait_until(lambda: len(gateway.sent) > 2 * len(unlucky))
        if kind == "a broadcast":
            await harness.publish_broadcast(others)
        for citizen in others if kind == "replies" else ():
            await harness.request_reply(citizen, "Guten Tag")
        await fetch_until(harness.count_states, lambda found: found.get("accepted", 0) == RECIPIENTS)
    assert await harness.count_states() == {"accepted": RECIPIENTS, "waiting": len(unlucky)}


async def test_what_is_in_hand_waits_in_the_ledger_unclaimed_and_uses_no_limit_up(
    harness: EndpointHarness, ledger: PostgresLedger
) -> None:
    gateway = Gateway()
    await harness.publish_broadcast(harness.build_citizens(MANY_RECIPIENTS))
    async with run_replica(harness, ledger, gateway, MANY_RECIPIENTS) as limiter:
        await fetch_until(harness.count_states, lambda found: sum(found.values()) == MANY_RECIPIENTS)
    async with ledger.database.connection() as connection:
        [(claimed, claimed_since)] = await connection.fetch(_CLAIMED, gateway.answered_at[0])
        reached = await connection.fetchval("select coalesce(sum(people), 0) from dispatcher.reached_minute")
    granted_since = [slots for granted_at, slots in limiter.granted if granted_at > gateway.answered_at[0]]
    assert set(granted_since[1:]) <= {1}, "after the lease that was under way, there are slots for probes only"
    assert claimed_since < sum(granted_since) + OPEN_SLOTS
    assert reached <= claimed

"""Steps that a lane takes for a batch, and batches that cannot be sent."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from typing import cast
from uuid import UUID

import msgspec
import pytest

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.domain.claims import AskedReply, Claim
from services.dispatcher.handlers.lanes import MAX_BATCH_RECIPIENTS, BatchLane, Lanes, ReplyLane
from services.dispatcher.ports import Ledger
from shared.contracts.dispatch import BroadcastBatch, PermittedHours
from shared.contracts.message import Lane, Message
from shared.outcome import Dead, DependencyUnavailable, Done, RetryLater
from tests.factories.lanes import FakeLaneMessage, FakeLaneQueue, encode_message
from tests.integration.dispatcher.factories import (
    build_batch_message,
    build_reply,
    follow_up,
    generate_subscribers,
    states,
)
from tests.servers import WAIT_TIMEOUT_SECONDS

WANTED = 7


async def get_through(ledger: PostgresLedger, message: BroadcastBatch) -> tuple[int, list[Claim]]:
    """Return the number of steps and all claims."""
    only, claims, steps = FakeLaneMessage(encode_message(message)), list[Claim](), 0
    lane = BatchLane(ledger=ledger, queue=FakeLaneQueue([only]))

    def ready(some: Sequence[Claim]) -> None:
        assert len(some) <= WANTED
        claims.extend(some)

    while not only.outcomes:
        await lane.claim(WANTED, ready)
        steps += 1
    assert only.outcomes == [Done()]
    return steps, claims


async def claim_unusable(ledger: PostgresLedger, message: Message, attempt: int = 1) -> FakeLaneMessage:
    """Let a lane claim what it cannot, and wait until that is settled."""
    only = FakeLaneMessage(encode_message(message), attempt)
    lane = BatchLane(ledger=ledger, queue=FakeLaneQueue([only]))
    await lane.claim(WANTED, lambda _: None)
    await lane.refusals.wait(WAIT_TIMEOUT_SECONDS)
    return only


async def test_a_batch_is_claimed_as_slots_come(ledger: PostgresLedger) -> None:
    steps, claims = await get_through(ledger, build_batch_message(generate_subscribers(2 * WANTED)))
    assert (steps, len(claims)) == (2, 2 * WANTED)


async def test_a_refill_and_a_probe_that_claim_at_once_pass_over_nobody(ledger: PostgresLedger) -> None:
    message = build_batch_message(generate_subscribers(5 * WANTED))
    only = FakeLaneMessage(encode_message(message))
    queues = {lane: FakeLaneQueue([only] if lane is Lane.BULK else []) for lane in Lane}
    lanes = Lanes(ledger=ledger, queues=queues, prepare=lambda _: None, wake=asyncio.Event())
    claims = list[Claim]()
    while not only.outcomes:
        await asyncio.gather(lanes.claim_some(1), lanes.claim_some(WANTED))
        while one := lanes.take():
            claims.append(one)
    assert await states(ledger, message.broadcast) == {"claimed": 5 * WANTED}
    assert len({one.delivery for one in claims}) == len(claims) == 5 * WANTED


async def test_what_has_expired_is_passed_over_in_two_steps_so_that_few_slots_are_lost(ledger: PostgresLedger) -> None:
    subscribers = generate_subscribers(MAX_BATCH_RECIPIENTS)
    assert await get_through(ledger, build_batch_message(subscribers, expires_in=-1)) == (2, [])


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 10), (2, 60), (3, 600), (5, 600)])
async def test_a_batch_that_nobody_expected_goes_behind_the_others(
    ledger: PostgresLedger, attempt: int, seconds: int
) -> None:
    """Like any message whose handling fails by a bug, it is dead after some attempts; by then the bug may be known."""
    batch = msgspec.structs.replace(build_batch_message(generate_subscribers(1)), spacing_seconds=1e300)
    assert (await claim_unusable(ledger, batch, attempt)).outcomes == [RetryLater(seconds, "unexpected OverflowError")]


@dataclass
class LedgerWithBug:
    """A ledger that fails for one reply as nobody expected."""

    ledger: PostgresLedger
    reply: UUID

    async def claim_replies(self, asked: Sequence[AskedReply], *, wait: bool) -> list[Claim]:
        if any(reply.reply == self.reply for reply, _ in asked):
            raise KeyError
        return await self.ledger.claim_replies(asked, wait=wait)


async def test_a_reply_whose_claim_fails_by_a_bug_keeps_no_other_from_leaving(ledger: PostgresLedger) -> None:
    """One that comes twice is settled twice."""
    replies, claims = [build_reply() for _ in range(WANTED)], list[Claim]()
    messages = [FakeLaneMessage(encode_message(each)) for each in [*replies, replies[0]]]
    broken = cast("Ledger", LedgerWithBug(ledger, replies[2].reply))
    lane = ReplyLane(ledger=broken, queue=FakeLaneQueue(messages))
    while lane.available:
        await lane.claim(WANTED, claims.extend)
    await lane.refusals.wait(WAIT_TIMEOUT_SECONDS)
    assert {one.delivery for one in claims} == {each.reply for each in replies} - {replies[2].reply}
    retry = RetryLater(10, "unexpected KeyError")
    assert [each.outcomes for each in messages] == [[retry if number == 2 else Done()] for number in range(WANTED + 1)]


class AbsentLedger:
    """A ledger whose database is away."""

    async def register(self, *_: object) -> None:
        raise DependencyUnavailable("the database is away")

    async def claim_replies(self, *_: object, wait: bool) -> list[Claim]:
        raise DependencyUnavailable("the database is away")


@pytest.mark.parametrize("kind", [BatchLane, ReplyLane])
async def test_what_the_broker_delivers_again_is_no_longer_in_hand(kind: type[BatchLane | ReplyLane]) -> None:
    """Its channel died while the database was away."""
    message = build_reply() if kind is ReplyLane else build_batch_message(generate_subscribers(1))
    only = FakeLaneMessage(encode_message(message))
    lane = kind(ledger=cast("Ledger", AbsentLedger()), queue=FakeLaneQueue([only]))
    with pytest.raises(DependencyUnavailable):
        await lane.claim(WANTED, lambda _: None)
    assert lane.available
    only.alive = False
    await lane.claim(WANTED, lambda _: None)
    assert (lane.available, only.outcomes) == (0, [])


async def test_a_broadcast_whose_hours_the_database_cannot_compute_stops_no_other(ledger: PostgresLedger) -> None:
    hours = PermittedHours(opens=time(8), closes=time(20), zone="Nowhere/Land")
    batch = msgspec.structs.replace(build_batch_message(generate_subscribers(1)), hours=hours)
    for message in (batch, msgspec.structs.replace(follow_up(batch.broadcast), hours=hours)):
        (outcome,) = (await claim_unusable(ledger, message)).outcomes
        assert isinstance(outcome, Dead)
    await ledger.requeue_waiting(WANTED)
    assert not await ledger.extend_follow_up(WANTED)

"""How many steps a lane takes to get through a batch, and what it does with one that cannot be sent."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import cast
from uuid import UUID

import msgspec
import pytest

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.handlers.lanes import MAX_BATCH_RECIPIENTS, BatchLane, Lanes, ReplyLane
from services.dispatcher.ports import AskedReply, Claim, Ledger
from shared.contracts.dispatch import BroadcastBatch, BroadcastFollowUp, PermittedHours
from shared.contracts.envelope import encode
from shared.contracts.message import Lane, Message
from shared.database.pool import Database as Pool
from shared.outcome import Dead, Done, Outcome, RetryLater
from tests.factories.ids import generate_id
from tests.integration.dispatcher.factories import build_batch_message, build_reply, generate_subscribers
from tests.integration.dispatcher.test_ledger import states
from tests.servers import WAIT_TIMEOUT_SECONDS

WANTED = 7


class OpenQueue:
    """A lane's queue, as far as each of them is alike."""

    def peek(self) -> None:
        return None

    def open(self) -> None:
        raise AssertionError("a lane opens no queue")

    def close(self) -> None:
        raise AssertionError("a lane closes no queue")


class SingleMessage(OpenQueue):
    """A lane's queue and its only message."""

    alive = True

    def __init__(self, message: Message, attempt: int = 1) -> None:
        self.body = encode(message, event_id="1", source="/test", time=datetime.now(UTC))
        self.attempt = attempt
        self.waiting = 1
        self.outcome: Outcome | None = None

    def take(self) -> "SingleMessage":
        self.waiting = 0
        return self

    async def settle(self, outcome: Outcome) -> None:
        self.outcome = outcome


async def get_through(ledger: PostgresLedger, message: BroadcastBatch) -> tuple[int, list[Claim]]:
    """Return the number of steps and all claims."""
    queue, claims, steps = SingleMessage(message), list[Claim](), 0
    lane = BatchLane(ledger=ledger, queue=queue)

    def ready(some: Sequence[Claim]) -> None:
        assert len(some) <= WANTED
        claims.extend(some)

    while queue.outcome is None:
        await lane.claim(WANTED, ready)
        steps += 1
    assert queue.outcome == Done()
    return steps, claims


async def test_a_batch_is_claimed_as_slots_come(ledger: PostgresLedger) -> None:
    steps, claims = await get_through(ledger, build_batch_message(generate_subscribers(2 * WANTED)))
    assert (steps, len(claims)) == (2, 2 * WANTED)


async def test_a_refill_and_a_probe_that_claim_at_once_pass_over_nobody(ledger: PostgresLedger, pool: Pool) -> None:
    message = build_batch_message(generate_subscribers(5 * WANTED))
    queues = {lane: SingleMessage(message) for lane in Lane}
    queues[Lane.REPLY].waiting = queues[Lane.URGENT].waiting = 0
    lanes = Lanes(ledger=ledger, queues=queues, prepare=lambda _: None, wake=asyncio.Event())
    claims = list[Claim]()
    while queues[Lane.BULK].outcome is None:
        await asyncio.gather(lanes.claim_some(1), lanes.claim_some(WANTED))
        while claim := lanes.take():
            claims.append(claim)
    assert await states(pool, message.broadcast) == {"claimed": 5 * WANTED}
    assert len({claim.delivery for claim in claims}) == len(claims) == 5 * WANTED


async def test_what_has_expired_is_passed_over_in_two_steps_so_that_few_slots_are_lost(ledger: PostgresLedger) -> None:
    people = generate_subscribers(MAX_BATCH_RECIPIENTS)
    steps, claims = await get_through(ledger, build_batch_message(people, expires_in=-1))
    assert (steps, claims) == (2, [])


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 10), (2, 60), (3, 600), (5, 600)])
async def test_a_batch_that_nobody_expected_goes_behind_the_others(
    ledger: PostgresLedger, attempt: int, seconds: int
) -> None:
    """Like any message whose handling fails by a bug, it is dead after some attempts; by then the bug may be known."""
    batch = msgspec.structs.replace(build_batch_message(generate_subscribers(1)), spacing_seconds=1e300)
    queue = SingleMessage(batch, attempt)
    lane = BatchLane(ledger=ledger, queue=queue)
    await lane.claim(WANTED, lambda _: None)
    await lane.refusals.wait(WAIT_TIMEOUT_SECONDS)
    assert queue.outcome == RetryLater(seconds, "unexpected OverflowError")


class SeveralMessages(OpenQueue):
    """A lane's queue and its messages."""

    def __init__(self, *messages: Message) -> None:
        self.all = [SingleMessage(each) for each in messages]
        self.waiting = len(messages)

    def take(self) -> SingleMessage | None:
        self.waiting -= 1
        return self.all[-self.waiting - 1] if self.waiting >= 0 else None


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
    replies = [build_reply() for _ in range(WANTED)]
    queue, claims = SeveralMessages(*replies), list[Claim]()
    broken = cast("Ledger", LedgerWithBug(ledger, replies[2].reply))
    lane = ReplyLane(ledger=broken, queue=queue)
    while lane.available:
        await lane.claim(WANTED, claims.extend)
    await lane.refusals.wait(WAIT_TIMEOUT_SECONDS)
    assert {claim.delivery for claim in claims} == {each.reply for each in replies} - {replies[2].reply}
    retry = RetryLater(10, "unexpected KeyError")
    assert [each.outcome for each in queue.all] == [retry if number == 2 else Done() for number in range(WANTED)]


async def test_a_broadcast_whose_hours_the_database_cannot_compute_stops_no_other(ledger: PostgresLedger) -> None:
    hours = PermittedHours(opens=time(8), closes=time(20), zone="Nowhere/Land")
    batch = msgspec.structs.replace(build_batch_message(generate_subscribers(1)), hours=hours)
    shared = ("notice", "revision", "topic", "lane", "template", "published_at", "expires_at", "hours")
    follow_up = BroadcastFollowUp(
        broadcast=generate_id(), follows=(batch.broadcast,), **{name: getattr(batch, name) for name in shared}
    )
    for message in (batch, follow_up):
        queue = SingleMessage(message)
        lane = BatchLane(ledger=ledger, queue=queue)
        await lane.claim(WANTED, lambda _: None)
        await lane.refusals.wait(WAIT_TIMEOUT_SECONDS)
        assert isinstance(queue.outcome, Dead)
    await ledger.requeue_waiting(WANTED)
    assert not await ledger.extend_follow_up(WANTED)

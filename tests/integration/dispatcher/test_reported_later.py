"""A failure that Meta reports after it has accepted the message is treated as if it had been the answer."""

from datetime import UTC, datetime

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.metrics import Metrics
from services.dispatcher.adapters.rate_limiter import PostgresRateLimiter
from services.dispatcher.domain.claims import Claim
from services.dispatcher.domain.errors import MANY_ATTEMPTS, compute_retry_delay, find_error_rule
from services.dispatcher.domain.send_results import Record
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.domain.status_updates import StatusUpdate
from services.dispatcher.handlers.consumers import StatusHandler, add_retry
from services.dispatcher.handlers.pauses import MAX_REJECTIONS_IN_A_ROW as MANY
from services.dispatcher.handlers.pauses import Pauses, explain_code
from shared.contracts.inbound import DeliveryStatus, DeliveryStatuses
from shared.contracts.message import Lane
from shared.database.pool import Database as Pool
from tests.integration.dispatcher.factories import (
    build_batch_message,
    build_reply,
    claim,
    claim_new,
    generate_subscribers,
    states,
)

UNKNOWN, TOO_FAST, PAIR, LOCKED, PICTURE = 131000, 130429, 131056, 131031, 131053
WAIT = "select extract(epoch from due_at - clock_timestamp())::float8 from dispatcher.delivery"


@pytest.fixture
def handler(ledger: PostgresLedger, pool: Pool) -> StatusHandler:
    meter = Metrics(CollectorRegistry(), limit=100)
    limiter = PostgresRateLimiter(pool, number=ledger.number, limit=100)
    return StatusHandler(ledger=ledger, pauses=Pauses(ledger, limiter, meter), meter=meter)


async def report(handler: StatusHandler, one: Claim, status: str = "failed", code: int | None = None) -> None:
    """Let Meta accept a claim's message, and say later what became of it."""
    key, now = f"{one.delivery} {one.number}".encode(), datetime.now(UTC)
    await handler.ledger.record([Record(one.delivery, one.number, DeliveryState.ACCEPTED, message_key=key)])
    said = DeliveryStatus(
        message_key=key, status=status, at=now, received_at=now, delivery=str(one.delivery), error_code=code
    )
    await handler.apply(DeliveryStatuses(statuses=(said,)))


async def claim_again(ledger: PostgresLedger, owner: asyncpg.Connection) -> Claim:
    """Claim what waits, as if its time had come."""
    await owner.execute("update dispatcher.delivery set due_at = now() where waits_for is not null")
    (again,) = await ledger.claim_due(Lane.BULK, 1)
    return again


@pytest.mark.parametrize(("code", "times"), [(UNKNOWN, 9), (PAIR, 11), (TOO_FAST, 40)])
async def test_each_time_a_passing_failure_is_reported_its_message_waits_for_longer(
    handler: StatusHandler, ledger: PostgresLedger, owner: asyncpg.Connection, code: int, times: int
) -> None:
    _, (one,) = await claim_new(ledger)
    waits, rule = list[float](), find_error_rule(code)
    for _ in range(times):
        await report(handler, one, code=code)
        waits.append(await owner.fetchval(WAIT))
        one = await claim_again(ledger, owner)
    assert waits == pytest.approx([compute_retry_delay(rule, attempt + 1, 0.5) for attempt in range(times)], abs=0.5)
    assert one.attempt == (1 if code == TOO_FAST else times + 1)


async def test_a_rate_that_is_reported_as_exceeded_slows_all_replicas_down(
    handler: StatusHandler, ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    _, (one,) = await claim_new(ledger)
    await report(handler, one, code=TOO_FAST)
    assert await owner.fetchval("select per_second from dispatcher.rate") == pytest.approx(80, abs=1)


async def test_a_code_about_the_sender_that_only_one_recipient_gets_ends_for_this_one_and_pauses_nothing(
    handler: StatusHandler, ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    message = build_batch_message(generate_subscribers(1 + MANY_ATTEMPTS))
    unlucky, *others = await claim(ledger, message)
    await report(handler, unlucky, code=LOCKED)
    for other in others:
        await report(handler, other, "sent")
        unlucky = await claim_again(ledger, owner)
        await report(handler, unlucky, code=LOCKED)
    assert await states(ledger, message.broadcast) == {"failed": 1, "sent": MANY_ATTEMPTS}
    assert unlucky.attempt == MANY_ATTEMPTS
    assert await owner.fetchval("select paused_reason from dispatcher.rate") is None


async def test_a_message_to_somebody_else_proves_once_that_a_code_about_the_sender_is_about_one_recipient(
    handler: StatusHandler, ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    """The account may have been locked since."""
    _, (unlucky, other) = await claim_new(ledger, 2)
    await report(handler, unlucky, code=LOCKED)
    await report(handler, other, "sent")
    for _ in range(2 * MANY_ATTEMPTS):
        unlucky = await claim_again(ledger, owner)
        await report(handler, unlucky, code=LOCKED)
    assert (await claim_again(ledger, owner)).attempt == 2


async def test_as_long_as_nobody_else_gets_anything_a_code_about_the_sender_fails_nobody(
    handler: StatusHandler, ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    """A phone that gets an older message when it is switched on proves nothing."""
    _, (unlucky, other) = await claim_new(ledger, 2)
    await report(handler, other, "sent")
    for _ in range(2 * MANY_ATTEMPTS):
        await report(handler, unlucky, code=LOCKED)
        await report(handler, other, "delivered")
        unlucky = await claim_again(ledger, owner)
    assert unlucky.attempt == 1
    assert await owner.fetchval("select paused_reason from dispatcher.rate") is None


async def test_who_was_refused_alone_waits_with_all_others_once_all_are_refused(
    handler: StatusHandler, ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    unlucky, other, later, *all_others = await claim(ledger, build_batch_message(generate_subscribers(3 + MANY)))
    await report(handler, unlucky, code=LOCKED)
    await report(handler, other, "sent")
    unlucky = await claim_again(ledger, owner)
    await report(handler, unlucky, code=LOCKED)
    unlucky = await claim_again(ledger, owner)
    assert unlucky.attempt == 2
    await report(handler, later, "sent")
    for one in all_others:
        await report(handler, one, code=LOCKED)
    assert await owner.fetchval("select paused_reason from dispatcher.rate") is not None
    await report(handler, unlucky, code=LOCKED)
    assert await owner.fetchval("select max(attempt) from dispatcher.delivery") == 2


async def test_as_many_failures_as_pause_a_broadcast_pause_nothing_if_a_message_arrives_between_them(
    handler: StatusHandler, ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    """Without one between them they do, such as when Meta cannot fetch the picture."""
    source, (arriving, *others) = await claim_new(ledger, 2 * MANY)
    for number, one in enumerate(others):
        if number == MANY - 1:
            await report(handler, arriving, "sent")
        assert await owner.fetchval("select paused_reason from dispatcher.broadcast") is None
        await report(handler, one, code=PICTURE)
    assert await states(ledger, source) == {"failed": 2 * MANY - 1, "sent": 1}
    reason = f"Meta hat {MANY} Nachrichten hintereinander abgelehnt: {explain_code(PICTURE)}"
    assert await owner.fetchval("select paused_reason from dispatcher.broadcast") == reason


async def test_a_reply_that_fails_with_the_code_of_a_template_is_not_sent_again_and_again(
    ledger: PostgresLedger,
) -> None:
    """The status is here before our own record of the acceptance."""
    now = datetime.now(UTC)
    (reply,) = await ledger.claim_replies([(build_reply(), now)])
    update = StatusUpdate(reply.delivery, DeliveryState.FAILED, b"k", error_code=132001)
    await ledger.apply_statuses([add_retry(update)])
    assert await states(ledger, reply.delivery) == {"failed": 1}

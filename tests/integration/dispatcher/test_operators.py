"""What an operator may do to the ledger, with the rights of the role; counters stay equal to the rows."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import asyncpg
import pytest

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.rate_limiter import PostgresRateLimiter
from services.dispatcher.domain.send_results import Record
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.handlers.maintenance import requeue_waiting
from services.dispatcher.ports import Claim
from shared.contracts.dispatch import BroadcastBatch
from shared.contracts.message import Lane
from shared.database.pool import Database as Pool
from tests.databases import FreshDatabase
from tests.integration.dispatcher.conftest import NUMBER
from tests.integration.dispatcher.factories import (
    build_batch,
    build_batch_message,
    build_record,
    generate_subscribers,
    news,
)
from tests.integration.dispatcher.test_ledger import claim, counted, states


@pytest.fixture
async def operator(database: FreshDatabase) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.build_role_url("kreisfunk_operator"))
    yield connection
    await connection.close()


async def failed(ledger: PostgresLedger, message: BroadcastBatch, count: int) -> list[Claim]:
    """Claim everything; the first `count` fail."""
    claims = await claim(ledger, message)
    records = [Record(one.delivery, one.number, DeliveryState.FAILED, error_code=131000) for one in claims[:count]]
    await ledger.record(records)
    return claims


async def all_due(ledger: PostgresLedger) -> list[Claim]:
    return await ledger.claim_due(Lane.BULK, 100)


async def test_a_paused_broadcast_is_parked_and_a_resumed_one_goes_on(
    ledger: PostgresLedger, pool: Pool, operator: asyncpg.Connection
) -> None:
    message = build_batch_message(generate_subscribers(6))
    claims = await claim(ledger, message, 2)
    await ledger.record([build_record(one, DeliveryState.WAITING) for one in claims])
    source = message.broadcast
    assert await operator.fetchval("select dispatcher.pause_broadcast($1, 'Prüfung')", source) == "running"
    await requeue_waiting(ledger)
    due, _ = await ledger.find_work()
    assert not due
    assert await operator.fetchval("select dispatcher.resume_broadcast($1)", source) == "paused"
    await requeue_waiting(ledger)
    assert len(await all_due(ledger)) == 2
    assert await counted(pool, source) == {"claimed": 2}


async def test_a_claim_that_saw_the_pause_and_commits_after_the_resume_is_woken(
    ledger: PostgresLedger, pool: Pool, database: FreshDatabase
) -> None:
    message = build_batch_message(generate_subscribers(3))
    await claim(ledger, message, 0)
    owner = await asyncpg.connect(database.url)
    try:
        pause = owner.transaction()
        await pause.start()
        await owner.execute("select dispatcher.pause_broadcast($1, 'x')", message.broadcast)
        await pause.commit()
        await ledger.claim_batch(build_batch(message), 10)
        await owner.execute("update dispatcher.broadcast set paused_reason = null")
    finally:
        await owner.close()
    assert await ledger.requeue_waiting(100) == 3
    assert len(await all_due(ledger)) == 3


async def test_what_waits_of_a_cancelled_broadcast_ends_at_once_and_in_small_steps(
    ledger: PostgresLedger, pool: Pool, operator: asyncpg.Connection
) -> None:
    message = build_batch_message(generate_subscribers(9))
    claims = await claim(ledger, message)
    await ledger.record([build_record(one, DeliveryState.WAITING, seconds=3000) for one in claims[:7]])
    assert await operator.fetchval("select dispatcher.cancel_broadcast($1, 'Irrtum')", message.broadcast) == "running"
    assert [await ledger.requeue_waiting(4) for _ in range(3)] == [4, 3, 0]
    assert (
        await counted(pool, message.broadcast)
        == await states(pool, message.broadcast)
        == {
            "claimed": 2,
            "cancelled": 7,
        }
    )
    assert await operator.fetchval("select dispatcher.cancel_broadcast($1, 'x')", message.broadcast) == "cancelled"


async def test_what_waits_of_an_expired_broadcast_is_recorded_as_such(ledger: PostgresLedger, pool: Pool) -> None:
    message = build_batch_message(generate_subscribers(3))
    claims = await claim(ledger, message)
    await ledger.record([build_record(one, DeliveryState.WAITING, seconds=3000) for one in claims])
    async with pool.connection() as connection:
        await connection.execute("update dispatcher.broadcast set expires_at = now()")
    assert await ledger.requeue_waiting(100) == 3
    assert await counted(pool, message.broadcast) == {"expired": 3}


async def test_failed_deliveries_are_sent_again_from_their_first_attempt(
    ledger: PostgresLedger, pool: Pool, operator: asyncpg.Connection
) -> None:
    message = build_batch_message(generate_subscribers(4))
    claims = await failed(ledger, message, 3)
    await ledger.record([build_record(claims[3], DeliveryState.UNKNOWN)])
    answer = await operator.fetchrow("select * from dispatcher.resend_missing($1, false)", message.broadcast)
    assert tuple(answer or ()) == ("running", 3, 0)
    again = await all_due(ledger)
    assert {(one.delivery, one.attempt) for one in again} == {(one.delivery, 1) for one in claims[:3]}
    assert await counted(pool, message.broadcast) == {"claimed": 3, "unknown": 1}


async def test_a_late_failure_of_the_first_message_does_not_end_the_second(
    ledger: PostgresLedger, pool: Pool, operator: asyncpg.Connection
) -> None:
    message = build_batch_message(generate_subscribers(1))
    (first,) = await claim(ledger, message)
    await ledger.record([Record(first.delivery, first.number, DeliveryState.ACCEPTED, message_key=b"one")])
    await ledger.apply_statuses([news(first.delivery, DeliveryState.FAILED, b"one")])
    await operator.fetchrow("select * from dispatcher.resend_missing($1, false)", message.broadcast)
    (second,) = await all_due(ledger)
    await ledger.record([Record(second.delivery, second.number, DeliveryState.ACCEPTED, message_key=b"two")])
    await ledger.apply_statuses([news(first.delivery, DeliveryState.FAILED, b"one")])
    assert await counted(pool, message.broadcast) == {"accepted": 1}


async def test_unknown_ones_are_sent_again_only_if_asked_for(
    ledger: PostgresLedger, pool: Pool, operator: asyncpg.Connection
) -> None:
    message = build_batch_message(generate_subscribers(2))
    claims = await claim(ledger, message)
    await ledger.record([build_record(one, DeliveryState.UNKNOWN) for one in claims])
    answer = await operator.fetchrow("select * from dispatcher.resend_missing($1, true)", message.broadcast)
    assert tuple(answer or ()) == ("running", 0, 2)
    assert [one.attempt for one in await all_due(ledger)] == [2, 2]
    await ledger.record([build_record(one, DeliveryState.FAILED) for one in claims])
    assert await counted(pool, message.broadcast) == {"claimed": 2}


@pytest.mark.parametrize("ending", ["cancelled", "expired"])
async def test_nothing_of_an_ended_broadcast_is_sent_again(
    ending: str, ledger: PostgresLedger, pool: Pool, operator: asyncpg.Connection
) -> None:
    message = build_batch_message(generate_subscribers(3))
    claims = await failed(ledger, message, 2)
    await ledger.record([build_record(claims[2], DeliveryState.UNKNOWN)])
    if ending == "cancelled":
        await ledger.cancel(message.broadcast, "x")
    else:
        async with pool.connection() as connection:
            await connection.execute("update dispatcher.broadcast set expires_at = now()")
            await connection.execute("update dispatcher.delivery set expires_at = now()")
    answer = await operator.fetchrow("select * from dispatcher.resend_missing($1, true)", message.broadcast)
    assert tuple(answer or ()) == (ending, 0, 0)
    statement = "select dispatcher.settle_unknown(null, $1, 'resend')"
    assert await operator.fetchval(statement, message.broadcast) == 0
    assert await counted(pool, message.broadcast) == {"failed": 2, "unknown": 1}


async def test_a_finished_broadcast_that_is_resent_runs_again(
    ledger: PostgresLedger, operator: asyncpg.Connection
) -> None:
    message = build_batch_message(generate_subscribers(2))
    await failed(ledger, message, 2)
    (progress,) = await ledger.collect_progress(60)
    assert progress.finished
    await ledger.finish(message.broadcast)
    answer = await operator.fetchrow("select * from dispatcher.resend_missing($1, false)", message.broadcast)
    assert tuple(answer or ()) == ("finished", 2, 0)
    assert await operator.fetchval("select dispatcher.standing($1)", message.broadcast) == "running"


@pytest.mark.parametrize(("verdict", "state"), [("accepted", "accepted"), ("failed", "failed"), ("resend", "waiting")])
async def test_an_unknown_outcome_is_settled_by_a_person(
    verdict: str, state: str, ledger: PostgresLedger, pool: Pool, operator: asyncpg.Connection
) -> None:
    message = build_batch_message(generate_subscribers(3))
    claims = await claim(ledger, message)
    await ledger.record([build_record(one, DeliveryState.UNKNOWN) for one in claims])
    one = "select dispatcher.settle_unknown($1, null, $2)"
    assert await operator.fetchval(one, claims[0].delivery, verdict) == 1
    assert await operator.fetchval(one, claims[0].delivery, verdict) == 0
    assert await counted(pool, message.broadcast) == {"unknown": 2, state: 1}
    assert await operator.fetchval("select dispatcher.settle_unknown(null, $1, $2)", message.broadcast, verdict) == 2
    assert await counted(pool, message.broadcast) == {state: 3}


async def test_a_verdict_that_does_not_exist_is_refused(operator: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError):
        await operator.execute("select dispatcher.settle_unknown(null, null, 'read')")


async def test_a_hold_by_a_person_is_neither_tried_nor_released_by_an_accepted_message(
    ledger: PostgresLedger, pool: Pool, operator: asyncpg.Connection
) -> None:
    limiter = PostgresRateLimiter(pool, number=NUMBER, limit=100)
    assert await operator.fetchval("select dispatcher.pause_sending('Wartung', null)") == 1
    lease = await limiter.reserve(5)
    assert (lease.slots, lease.paused_reason) == (0, "Wartung")
    await limiter.resume()
    assert (await limiter.reserve(5)).slots == 0
    assert await operator.fetchval("select dispatcher.resume_sending($1)", NUMBER) == 1
    assert (await limiter.reserve(5)).slots == 5


async def test_a_released_template_goes_on(ledger: PostgresLedger, operator: asyncpg.Connection) -> None:
    await ledger.pause_template("t/de", "paused")
    await claim(ledger, build_batch_message(generate_subscribers(2)))
    assert await operator.fetchval("select dispatcher.resume_template('t/de')")
    assert not await operator.fetchval("select dispatcher.resume_template('t/de')")
    assert await ledger.requeue_waiting(100) == 2
    assert len(await all_due(ledger)) == 2


async def test_nothing_is_done_to_a_broadcast_that_does_not_exist(operator: asyncpg.Connection) -> None:
    for statement in ("pause_broadcast($1, 'x')", "resume_broadcast($1)", "cancel_broadcast($1, 'x')"):
        assert await operator.fetchval(f"select dispatcher.{statement}", UUID(int=1)) == "missing"


@pytest.mark.parametrize(
    "statement",
    [
        "select address_sealed from dispatcher.delivery",
        "select content from dispatcher.delivery",
        "update dispatcher.delivery set state = 'accepted'",
        "update dispatcher.broadcast set paused_reason = 'x'",
        "update dispatcher.rate set paused_reason = null",
        "update dispatcher.broadcast_count set deliveries = 0",
        "insert into dispatcher.cancellation values (gen_random_uuid(), 'x')",
        "delete from dispatcher.template_pause",
        "delete from dispatcher.delivery",
        "select * from subscriptions.subscriber",
    ],
)
async def test_an_operator_can_do_nothing_but_what_keeps_the_books_right(
    statement: str, operator: asyncpg.Connection
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await operator.execute(statement)


@pytest.mark.parametrize("service", ["kreisfunk_dispatcher", "kreisfunk_monitor"])
async def test_only_operators_may_do_what_operators_do(service: str, database: FreshDatabase) -> None:
    connection = await asyncpg.connect(database.build_role_url(service))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("select dispatcher.settle_unknown(null, null, 'accepted')")
    finally:
        await connection.close()


class Story:
    """A random sequence of what operators and dispatchers do to two broadcasts, some of it at the same time."""

    def __init__(self, ledger: PostgresLedger, operator: asyncpg.Connection, seed: int) -> None:
        self._ledger = ledger
        self._operator = operator
        self._random = random.Random(seed)
        self._claims: list[Claim] = []
        self.messages = [build_batch_message(generate_subscribers(20)) for _ in range(2)]
        self._batches = [build_batch(message) for message in self.messages]

    async def tell(self, steps: int) -> None:
        for batch in self._batches:
            await self._ledger.register(batch.message, batch.content)
        deeds: list[Callable[[], Awaitable[object]]] = [self._claim, self._due, self._record, self._status, self._act]
        for _ in range(steps):
            chosen = self._random.choices(deeds, k=2)
            # Both take a connection of their own, except operators, of whom there is one.
            if chosen.count(self._act) < 2:
                await asyncio.gather(*(deed() for deed in chosen))
            await self._ledger.requeue_waiting(5)

    async def _claim(self) -> None:
        batch = self._random.choice(self._batches)
        claims = await self._ledger.claim_batch(batch, 4)
        batch.position = min(20, batch.position + 4)
        self._claims += claims

    async def _due(self) -> None:
        self._claims += await self._ledger.claim_due(Lane.BULK, 5)

    async def _record(self) -> None:
        chosen = self._random.sample(self._claims, min(4, len(self._claims)))
        ends = [DeliveryState.ACCEPTED, DeliveryState.FAILED, DeliveryState.UNKNOWN, DeliveryState.WAITING]
        await self._ledger.record([build_record(one, self._random.choice(ends)) for one in chosen])

    async def _status(self) -> None:
        chosen = {one.delivery for one in self._random.sample(self._claims, min(4, len(self._claims)))}
        ends = [DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.READ, DeliveryState.FAILED]
        await self._ledger.apply_statuses(
            [news(one, self._random.choice(ends), self._random.randbytes(2)) for one in sorted(chosen)]
        )

    async def _act(self) -> None:
        source = self._random.choice(self.messages).broadcast
        verdict = self._random.choice(["accepted", "failed", "resend"])
        statement = self._random.choice(
            [
                "select dispatcher.pause_broadcast($1, 'x')",
                "select dispatcher.resume_broadcast($1)",
                "select dispatcher.resend_missing($1, false)",
                "select dispatcher.resend_missing($1, true)",
                f"select dispatcher.settle_unknown(null, $1, '{verdict}')",
                *(["select dispatcher.cancel_broadcast($1, 'x')"] if self._random.random() < 0.1 else []),
            ]
        )
        await self._operator.execute(statement, source)


@pytest.mark.parametrize("seed", range(8))
async def test_after_any_story_the_counters_are_the_rows(
    seed: int, ledger: PostgresLedger, pool: Pool, operator: asyncpg.Connection
) -> None:
    story = Story(ledger, operator, seed)
    await story.tell(60)
    for message in story.messages:
        rows = await states(pool, message.broadcast)
        assert rows.total() > 0
        assert await counted(pool, message.broadcast) == rows

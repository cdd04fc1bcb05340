"""Changes of the ledger by an operator, with the rights of the role; counters stay equal to the rows."""

import asyncio
from uuid import UUID

import asyncpg
import pytest

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.rate_limiter import PostgresRateLimiter
from services.dispatcher.domain.claims import Claim
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.handlers.maintenance import requeue_waiting
from shared.contracts.message import Lane
from tests.databases import FreshDatabase, wait_until_locked
from tests.integration.dispatcher.factories import (
    NUMBER,
    build_record,
    claim_new,
    states,
    waits_for,
)

RESEND = "select * from dispatcher.resend_missing($1, $2)"
# What a role may read, insert, update and delete, tests/integration/privacy compares with the page and the code.
FORBIDDEN = {
    "kreisfunk_dispatcher": (
        "create table dispatcher.x ()",
        "truncate dispatcher.suppression",
        "select dispatcher.settle_unknown(null, null, 'accepted')",
    ),
    "kreisfunk_monitor": ("select dispatcher.settle_unknown(null, null, 'accepted')",),
}


async def claim_and_record(ledger: PostgresLedger, *ends: DeliveryState) -> tuple[UUID, list[Claim]]:
    """Claim as many recipients as there are ends, of which each gets one."""
    source, claims = await claim_new(ledger, len(ends))
    await ledger.record([build_record(one, end) for one, end in zip(claims, ends, strict=True)])
    return source, claims


async def resend(operator: asyncpg.Connection, source: UUID, *, unknown_too: bool = False) -> tuple[str, int, int]:
    """Return the status before, and how many failed and unknown ones are sent again."""
    row = await operator.fetchrow(RESEND, source, unknown_too)
    assert row is not None
    return tuple(row)


async def all_due(ledger: PostgresLedger) -> list[Claim]:
    return await ledger.claim_due(Lane.BULK, 100)


async def test_a_paused_broadcast_waits_and_a_resumed_one_goes_on(
    ledger: PostgresLedger, operator: asyncpg.Connection
) -> None:
    source, _ = await claim_and_record(ledger, DeliveryState.WAITING, DeliveryState.WAITING)
    assert await operator.fetchval("select dispatcher.pause_broadcast($1, 'Prüfung')", source) == "running"
    await requeue_waiting(ledger)
    due, _ = await ledger.find_work()
    assert not due
    assert await operator.fetchval("select dispatcher.resume_broadcast($1)", source) == "paused"
    await requeue_waiting(ledger)
    assert len(await all_due(ledger)) == 2
    assert await states(ledger, source) == {"claimed": 2}


async def test_what_waits_of_a_cancelled_broadcast_ends_at_once_and_in_small_steps(
    ledger: PostgresLedger, operator: asyncpg.Connection
) -> None:
    source, claims = await claim_new(ledger, 9)
    await ledger.record([build_record(one, DeliveryState.WAITING, seconds=3000) for one in claims[:7]])
    assert await operator.fetchval("select dispatcher.cancel_broadcast($1, 'Irrtum')", source) == "running"
    assert [await ledger.requeue_waiting(4) for _ in range(3)] == [4, 3, 0]
    assert await states(ledger, source) == {"claimed": 2, "cancelled": 7}
    assert await operator.fetchval("select dispatcher.cancel_broadcast($1, 'x')", source) == "cancelled"


async def test_what_waits_of_an_expired_broadcast_is_recorded_as_such(ledger: PostgresLedger) -> None:
    source, claims = await claim_new(ledger, 3)
    await ledger.record([build_record(one, DeliveryState.WAITING, seconds=3000) for one in claims])
    await ledger.database.fetchval("update dispatcher.broadcast set expires_at = now()")
    assert await ledger.requeue_waiting(100) == 3
    assert await states(ledger, source) == {"expired": 3}


async def test_failed_deliveries_are_sent_again_from_their_first_attempt(
    ledger: PostgresLedger, operator: asyncpg.Connection
) -> None:
    source, claims = await claim_and_record(ledger, *[DeliveryState.FAILED] * 3, DeliveryState.UNKNOWN)
    assert await resend(operator, source) == ("running", 3, 0)
    again = await all_due(ledger)
    assert {(one.delivery, one.attempt) for one in again} == {(one.delivery, 1) for one in claims[:3]}
    assert await states(ledger, source) == {"claimed": 3, "unknown": 1}


async def test_unknown_ones_are_sent_again_only_if_asked_for(
    ledger: PostgresLedger, operator: asyncpg.Connection
) -> None:
    source, claims = await claim_and_record(ledger, DeliveryState.UNKNOWN, DeliveryState.UNKNOWN)
    assert await resend(operator, source, unknown_too=True) == ("running", 0, 2)
    assert [one.attempt for one in await all_due(ledger)] == [2, 2]
    await ledger.record([build_record(one, DeliveryState.FAILED) for one in claims])
    assert await states(ledger, source) == {"claimed": 2}


@pytest.mark.parametrize("ending", ["cancelled", "expired"])
async def test_nothing_of_an_ended_broadcast_is_sent_again(
    ending: str, ledger: PostgresLedger, operator: asyncpg.Connection
) -> None:
    source, _ = await claim_and_record(ledger, DeliveryState.FAILED, DeliveryState.FAILED, DeliveryState.UNKNOWN)
    if ending == "cancelled":
        await ledger.cancel(source, "x")
    else:
        await ledger.database.fetchval("update dispatcher.broadcast set expires_at = now()")
        await ledger.database.fetchval("update dispatcher.delivery set expires_at = now()")
    assert await resend(operator, source, unknown_too=True) == (ending, 0, 0)
    assert await operator.fetchval("select dispatcher.settle_unknown(null, $1, 'resend')", source) == 0
    assert await states(ledger, source) == {"failed": 2, "unknown": 1}


async def test_a_finished_broadcast_that_is_resent_runs_again(
    ledger: PostgresLedger, operator: asyncpg.Connection
) -> None:
    source, _ = await claim_and_record(ledger, DeliveryState.FAILED, DeliveryState.FAILED)
    (progress,) = await ledger.collect_progress(60)
    assert progress.finished
    await ledger.finish(source)
    assert await ledger.pause_broadcast(source, "rejected as a whole"), "this is told, and does not hold up a resend"
    assert await resend(operator, source) == ("finished", 2, 0)
    assert await operator.fetchval("select dispatcher.standing($1)", source) == "running"


@pytest.mark.parametrize(("verdict", "state"), [("accepted", "accepted"), ("failed", "failed"), ("resend", "waiting")])
async def test_an_unknown_outcome_is_settled_by_a_person(
    verdict: str, state: str, ledger: PostgresLedger, operator: asyncpg.Connection
) -> None:
    source, claims = await claim_and_record(ledger, *[DeliveryState.UNKNOWN] * 3)
    one = "select dispatcher.settle_unknown($1, null, $2)"
    assert await operator.fetchval(one, claims[0].delivery, verdict) == 1
    assert await operator.fetchval(one, claims[0].delivery, verdict) == 0
    assert await states(ledger, source) == {"unknown": 2, state: 1}
    assert await operator.fetchval("select dispatcher.settle_unknown(null, $1, $2)", source, verdict) == 2
    assert await states(ledger, source) == {state: 3}


ARRIVE = "update dispatcher.delivery set state = 'delivered', unknown_at = null where source = $1"
RESEND_ALL = "select * from dispatcher.resend_missing($1, true)"
SETTLE_ALL = "select dispatcher.settle_unknown(null, $1, 'resend')"


@pytest.mark.parametrize(
    ("first", "second", "found", "due"),
    [
        (RESEND_ALL, RESEND_ALL, ("running", 0, 0), 2),
        (ARRIVE, RESEND_ALL, ("running", 0, 0), 0),
        (SETTLE_ALL, SETTLE_ALL, (0,), 1),
        (ARRIVE, SETTLE_ALL, (0,), 0),
    ],
)
async def test_who_sends_again_leaves_out_what_was_sent_again_or_has_arrived_meanwhile(
    ledger: PostgresLedger,
    operator: asyncpg.Connection,
    owner: asyncpg.Connection,
    first: str,
    second: str,
    found: tuple[object, ...],
    due: int,
) -> None:
    source, _ = await claim_and_record(ledger, DeliveryState.FAILED, DeliveryState.UNKNOWN)
    async with owner.transaction():
        await owner.execute(first, source)
        resending = asyncio.create_task(operator.fetchrow(second, source))
        await wait_until_locked(ledger.database)
    assert tuple(await resending or ()) == found
    assert len(await all_due(ledger)) == due


async def test_a_verdict_that_does_not_exist_is_refused(operator: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError):
        await operator.execute("select dispatcher.settle_unknown(null, null, 'read')")


async def test_a_pause_by_a_person_is_neither_tried_nor_ended_by_an_accepted_message(
    ledger: PostgresLedger, operator: asyncpg.Connection
) -> None:
    limiter = PostgresRateLimiter(ledger.database, number=NUMBER, limit=100)
    assert await operator.fetchval("select dispatcher.pause_sending('', null)") == 1
    lease = await limiter.reserve(5)
    assert (lease.slots, lease.is_paused) == (0, True), "also without a reason"
    await limiter.resume()
    await limiter.set_up()  # another replica starts
    assert (await limiter.reserve(5)).slots == 0
    assert await operator.fetchval("select dispatcher.resume_sending($1)", NUMBER) == 1
    assert (await limiter.reserve(5)).slots == 5


async def test_a_pause_by_a_person_holds_while_another_replica_starts(
    ledger: PostgresLedger, operator: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    limiter = PostgresRateLimiter(ledger.database, number=NUMBER, limit=100)
    await limiter.set_up()
    async with operator.transaction():
        await operator.execute("select dispatcher.pause_sending('exercise', null)")
        starting = asyncio.create_task(limiter.set_up())
        await wait_until_locked(owner)
    await starting
    assert (await limiter.reserve(5)).slots == 0


async def test_a_paused_template_makes_its_broadcasts_wait_until_it_is_resumed(
    ledger: PostgresLedger, operator: asyncpg.Connection
) -> None:
    await ledger.pause_template("t/de", "paused")
    source, claims = await claim_new(ledger, 2)
    assert claims == []
    assert await waits_for(ledger, source) == {"template": 2}
    due, _ = await ledger.find_work()
    assert not due
    for change in ("pause_broadcast($1, 'x')", "cancel_broadcast($1, 'x')"):
        await operator.execute("begin")
        assert await operator.fetchval(f"select dispatcher.{change}", source) == "template_paused"
        assert await operator.fetchval("select dispatcher.standing($1)", source) != "template_paused"
        await operator.execute("rollback")
    assert (
        await operator.fetchval("select standing from dispatcher.resend_missing($1, true)", source) == "template_paused"
    )
    assert await operator.fetchval("select dispatcher.resume_template('t/de')")
    assert not await operator.fetchval("select dispatcher.resume_template('t/de')")
    assert await ledger.requeue_waiting(100) == 2
    assert len(await all_due(ledger)) == 2


async def test_nothing_is_done_to_a_broadcast_that_does_not_exist(operator: asyncpg.Connection) -> None:
    for statement in ("pause_broadcast($1, 'x')", "resume_broadcast($1)", "cancel_broadcast($1, 'x')"):
        assert await operator.fetchval(f"select dispatcher.{statement}", UUID(int=1)) == "missing"


@pytest.mark.parametrize("role", FORBIDDEN)
async def test_a_role_can_do_nothing_but_what_keeps_the_ledger_right(role: str, database: FreshDatabase) -> None:
    connection = await asyncpg.connect(database.build_role_url(role))
    for statement in FORBIDDEN[role]:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()

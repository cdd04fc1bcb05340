"""The shared rate: slots of several replicas never overlap, and nothing gives time back."""

import asyncio
import math
import time
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.dispatcher.adapters.rate_limiter import PostgresRateLimiter
from services.dispatcher.domain.pacing import PROBE_DELAY_SECONDS, SLOT_TOLERANCE_SECONDS, LateUse, Lease
from shared.database.pool import Database as Pool
from shared.outcome import DependencyUnavailable
from tests.factories.pacing_model import shift_after

RATE = 200.0
# Two until the server ends a session that does nothing within a transaction; waiting for a lock ends after five.
FROZEN_SECONDS = 3.5
_SHIFT = """
select dispatcher.shift(coalesce(array_agg(row(starts, ends, late)::dispatcher.late_use), '{}'), $4, $5)
from unnest($1::float8[], $2::float8[], $3::float8[]) as given (starts, ends, late)
"""


async def limiter(pool: Pool, rate: float = RATE) -> PostgresRateLimiter:
    made = PostgresRateLimiter(pool, number="1", limit=rate)
    await made.set_up()
    return made


async def next_at(pool: Pool) -> float:
    value: float = await pool.fetchval("select extract(epoch from next_at)::float8 from dispatcher.rate")
    return value


async def test_slots_of_four_replicas_never_overlap(pool: Pool) -> None:
    replicas = [await limiter(pool) for _ in range(4)]
    before = await next_at(pool)

    async def reserve(replica: PostgresRateLimiter) -> list[Lease]:
        return [await replica.reserve(5) for _ in range(25)]

    leases = [lease for leases in await asyncio.gather(*map(reserve, replicas)) for lease in leases]
    assert before == float("-inf")
    slots = sorted(deadline for lease in leases for deadline in lease.iterate_deadlines())
    # Each replica knows the database's clock but for the shortest way back; the row does not move.
    assert slots[-1] - slots[0] >= (len(slots) - 1) / RATE - 0.02


async def test_a_pause_is_everybodys_and_slower_means_slower(pool: Pool) -> None:
    one, other = await limiter(pool), await limiter(pool)
    await one.throttle(5.0)
    lease = await other.reserve(1)
    assert lease.start - asyncio.get_running_loop().time() > 4.0
    assert lease.spacing > 1 / RATE


async def test_a_session_that_freezes_while_it_holds_the_rate_is_ended_for_the_others(pool: Pool) -> None:
    replica, waited = await limiter(pool), math.inf
    with suppress(DependencyUnavailable):  # it has been ended
        async with pool.connection() as frozen:
            await frozen.execute("begin")
            await frozen.execute("select from dispatcher.rate for update")
            since = time.monotonic()
            await replica.reserve(1)
            waited = time.monotonic() - since
    assert waited < FROZEN_SECONDS


async def test_many_who_report_the_same_excess_throttle_once(pool: Pool) -> None:
    replica = await limiter(pool)
    await asyncio.gather(*(replica.throttle(0.0) for _ in range(10)))
    assert (await replica.reserve(1)).spacing < 1 / (RATE * 0.7)


async def test_the_lowered_rate_survives_a_restart_and_recovers_by_itself(pool: Pool) -> None:
    await (await limiter(pool)).throttle(0.0)
    restarted = await limiter(pool)
    assert (await restarted.reserve(1)).spacing > 1 / RATE
    await pool.fetchval("update dispatcher.rate set changed_at = changed_at - interval '1 minute'")
    assert (await restarted.reserve(1)).spacing == pytest.approx(1 / RATE)


async def test_idle_time_earns_nothing(pool: Pool) -> None:
    replica = await limiter(pool)
    await replica.reserve(1)
    await pool.fetchval("update dispatcher.rate set next_at = now() - interval '1 hour'")
    now = asyncio.get_running_loop().time()
    leases = [await replica.reserve(1) for _ in range(20)]
    assert leases[-1].start - now >= 19 / RATE


async def test_slots_a_second_after_a_late_one_are_used_later_and_the_plan_stays(pool: Pool) -> None:
    one, other = await limiter(pool), await limiter(pool)
    # The plan is half a second ahead, so a busy machine stays behind it.
    await one.reserve(100)
    first = await one.reserve(5)
    await one.report_late_use(use_of(first, 0.05))
    before = [await other.reserve(20) for _ in range(9)]
    after = [await other.reserve(20) for _ in range(4)]
    assert [lease.shift for lease in before] == [0] * 9
    assert max(lease.shift for lease in after) == pytest.approx(0.05 - SLOT_TOLERANCE_SECONDS)
    assert after[-1].planned - first.planned == pytest.approx((5 + 12 * 20) / RATE, abs=1e-4)


async def test_the_plan_moves_when_lateness_has_grown_too_long(pool: Pool) -> None:
    one, other = await limiter(pool), await limiter(pool)
    first = await one.reserve(200)
    await one.report_late_use(use_of(first, 0.3))
    after = await other.reserve(1)
    assert after.shift == 0
    assert after.planned - first.planned == pytest.approx(1 + 0.3 - SLOT_TOLERANCE_SECONDS, abs=1e-4)


async def test_while_sending_is_paused_all_replicas_together_get_a_slot_each_half_minute(pool: Pool) -> None:
    one, other = await limiter(pool), await limiter(pool)
    assert await one.pause("a test", PROBE_DELAY_SECONDS)
    assert (await one.reserve(5)).slots == 0
    for _ in range(3):
        await pool.fetchval("update dispatcher.rate set probe_at = probe_at - interval '30 seconds'")
        now = asyncio.get_running_loop().time()
        leases = [await replica.reserve(5) for replica in (one, other)]
        assert [lease.slots for lease in leases] == [1, 0]
        assert leases[1].start - now == pytest.approx(PROBE_DELAY_SECONDS, abs=2)
        # Meta refuses the probe.
        assert not await one.pause("once more", PROBE_DELAY_SECONDS)
    assert (await other.reserve(1)).paused_reason == "a test"
    assert await other.resume()
    assert (await one.reserve(5)).slots == 5


def use_of(lease: Lease, late: float) -> LateUse:
    use = lease.build_late_use(late)
    assert use is not None
    return use


moments = st.floats(0, 3).map(lambda value: round(value, 3))
uses = st.builds(LateUse, start=moments, end=moments, late=st.floats(0, 0.3).map(lambda value: round(value, 4)))


@given(late_uses=st.lists(uses, max_size=8), begins=moments, length=moments)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_rule_in_sql_and_in_python_says_the_same(
    pool: Pool, late_uses: list[LateUse], begins: float, length: float
) -> None:
    columns = [[getattr(use, name) for use in late_uses] for name in ("start", "end", "late")]
    shift = await pool.fetchval(_SHIFT, *columns, begins, begins + length)
    assert shift == pytest.approx(shift_after(late_uses, begins, begins + length))

"""The shared rate: slots of several replicas never overlap, and nothing gives time back."""

import asyncio

import pytest

from services.dispatcher.adapters.limiter import Limits, PostgresLimiter
from services.dispatcher.domain.pacing import Lease
from shared.database.pool import Database as Pool

RATE = 200.0


async def limiter(pool: Pool, rate: float = RATE) -> PostgresLimiter:
    made = PostgresLimiter(pool, number="1", limits=Limits(rate))
    await made.set_up()
    return made


async def next_at(pool: Pool) -> float:
    async with pool.connection() as connection:
        value: float = await connection.fetchval("select extract(epoch from next_at)::float8 from dispatcher.rate")
        return value


async def test_slots_of_four_replicas_never_overlap(pool: Pool) -> None:
    replicas = [await limiter(pool) for _ in range(4)]
    before = await next_at(pool)

    async def reserve(replica: PostgresLimiter) -> list[Lease]:
        return [await replica.reserve(5) for _ in range(25)]

    leases = [lease for leases in await asyncio.gather(*map(reserve, replicas)) for lease in leases]
    assert before == float("-inf")
    slots = sorted(deadline for lease in leases for deadline in lease.deadlines())
    # Each replica knows the database's clock but for the shortest way back; the row does not move.
    assert slots[-1] - slots[0] >= (len(slots) - 1) / RATE - 0.02


async def test_a_pause_is_everybodys_and_slower_means_slower(pool: Pool) -> None:
    one, other = await limiter(pool), await limiter(pool)
    await one.slow_down(5.0)
    lease = await other.reserve(1)
    assert lease.start - asyncio.get_running_loop().time() > 4.0
    assert lease.spacing > 1 / RATE


async def test_many_who_report_the_same_excess_slow_down_once(pool: Pool) -> None:
    replica = await limiter(pool)
    await asyncio.gather(*(replica.slow_down(0.0) for _ in range(10)))
    assert (await replica.reserve(1)).spacing < 1 / (RATE * 0.7)


async def test_the_lowered_rate_survives_a_restart_and_recovers_by_itself(pool: Pool) -> None:
    await (await limiter(pool)).slow_down(0.0)
    restarted = await limiter(pool)
    assert (await restarted.reserve(1)).spacing > 1 / RATE
    async with pool.connection() as connection:
        await connection.execute("update dispatcher.rate set changed_at = changed_at - interval '1 minute'")
    assert (await restarted.reserve(1)).spacing == pytest.approx(1 / RATE)


async def test_idle_time_earns_nothing(pool: Pool) -> None:
    replica = await limiter(pool)
    await replica.reserve(1)
    async with pool.connection() as connection:
        await connection.execute("update dispatcher.rate set next_at = now() - interval '1 hour'")
    now = asyncio.get_running_loop().time()
    leases = [await replica.reserve(1) for _ in range(20)]
    assert leases[-1].start - now >= 19 / RATE


async def test_a_slot_that_was_used_late_moves_what_nobody_has_reserved(pool: Pool) -> None:
    one, other = await limiter(pool), await limiter(pool)
    reserved = await one.reserve(5)
    await one.delay(0.5)
    after = await other.reserve(1)
    assert after.start - reserved.start >= 5 / RATE + 0.5 - 0.02

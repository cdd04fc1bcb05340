"""When a dispatcher starts, and when it says that it is ready."""

import asyncio
import base64
import os
import time

import asyncpg

from deploy.local.services import Service
from shared.amqp.topology import LANES
from shared.contracts.message import Lane
from tests.integration.dispatcher.endpoint_harness import RATE, EndpointHarness, wait_until_moment
from tests.integration.dispatcher.factories import NUMBER, wait_until_locked

PAUSE_SECONDS = 3.0
UNREACHABLE = "kreisfunk_dispatcher_meta_unreachable_seconds"


async def test_a_dispatcher_is_not_ready_before_it_consumes_the_lanes(rig: EndpointHarness) -> None:
    first, second = rig.prepare(), rig.prepare()
    await first.start()
    await first.stop()
    async with rig.books.transaction():
        await rig.books.execute("select from dispatcher.rate for update")
        starting = asyncio.create_task(second.start())
        end = time.monotonic() + 3
        while time.monotonic() < end:
            if await rig.fetch_readiness(second) == 200:
                assert await consumed_lanes(rig) == len(LANES)
            await asyncio.sleep(0.01)
    await starting
    assert await consumed_lanes(rig) == len(LANES)


async def consumed_lanes(rig: EndpointHarness) -> int:
    return sum([await rig.count_consumers(queue.name) > 0 for queue in LANES.values()])


async def wait_for_advice(rig: EndpointHarness, dispatcher: Service, times: int) -> None:
    """Wait until it has said so often that its schema is not there."""
    log = rig.folder / f"{dispatcher.name}.log"
    await rig.wait_until(lambda: log.exists() and log.read_text().count("run `kreisfunk migrate`") >= times)
    assert await rig.fetch_readiness(dispatcher) != 200


async def test_a_dispatcher_whose_schema_lacks_its_newest_migration_says_so_and_sends_nothing_until_it_has_run(
    rig: EndpointHarness,
) -> None:
    books, dispatcher = rig.books, rig.prepare()
    version = await books.fetchval("select max(version) from dispatcher.schema_migrations")
    checksum = await books.fetchval(
        "delete from dispatcher.schema_checksums where version = $1 returning checksum", version
    )
    await books.execute("delete from dispatcher.schema_migrations where version = $1", version)
    await rig.publish_broadcast(rig.build_citizens(10))
    starting = asyncio.create_task(dispatcher.start())
    await wait_for_advice(rig, dispatcher, 2)
    assert (await consumed_lanes(rig), rig.endpoint.requests) == (0, [])
    await books.execute("insert into dispatcher.schema_migrations values ($1)", version)
    await books.execute("insert into dispatcher.schema_checksums values ($1, $2)", version, checksum)
    await starting
    await rig.wait_for_accepted(10)


async def test_a_pause_by_an_operator_while_a_dispatcher_starts_holds(
    rig: EndpointHarness, owner: asyncpg.Connection
) -> None:
    await rig.books.execute("call dispatcher.set_up($1, $2, null, null)", NUMBER, RATE)
    await rig.publish_broadcast(rig.build_citizens(50))
    dispatcher, bound = rig.prepare(), "kreisfunk_dispatcher_send_bound_by"
    async with owner.transaction():
        await owner.execute("select from dispatcher.rate for update")
        starting = asyncio.create_task(dispatcher.start())
        await wait_until_locked(rig.books)
        await owner.execute("select dispatcher.pause_sending('exercise', null)")
    await starting
    await rig.wait_for_metric(dispatcher, "kreisfunk_dispatcher_sending_paused", 1)
    await rig.wait_for_metric(dispatcher, bound, 1, **{bound: "pause"})
    await wait_until_moment(time.monotonic() + PAUSE_SECONDS)
    assert await rig.read_paused_reason() == "exercise"
    assert rig.endpoint.requests == []
    await owner.execute("select dispatcher.resume_sending(null)")
    await rig.wait_for_accepted(50)


async def test_a_replica_with_a_wrong_or_missing_key_is_not_ready_and_fails_nobody(rig: EndpointHarness) -> None:
    (right,) = await rig.start()
    rings = [f"{version}:{base64.b64encode(os.urandom(32)).decode()}" for version in (1, 2)]
    wrong = [rig.prepare(encryption_keys=ring) for ring in rings]
    await asyncio.gather(*(one.start() for one in wrong))
    pids = [one.pid for one in wrong]

    async def all_consume() -> bool:
        return await rig.count_consumers(LANES[Lane.BULK].name) == 3

    async def are_unready() -> bool:
        return [await rig.fetch_readiness(one) for one in wrong] == [503, 503]

    await rig.wait_until(all_consume)
    source = await rig.publish_broadcast(rig.build_citizens(400))
    await rig.wait_until(are_unready)
    await rig.wait_for_states({"accepted": 400}, source)
    rig.assert_none_twice()
    assert await rig.fetch_readiness(right) == 200
    assert await are_unready()
    assert [one.pid for one in wrong] == pids
    assert all(rig.read_log(one, "error") for one in wrong)


async def test_a_replica_with_a_wrong_key_is_never_ready_even_with_nothing_to_send(rig: EndpointHarness) -> None:
    (right,) = await rig.start()
    await rig.publish_broadcast(rig.build_citizens(5))
    await rig.wait_for_accepted(5)
    wrong = rig.prepare(encryption_keys=f"1:{base64.b64encode(os.urandom(32)).decode()}")
    await wrong.launch()

    async def says_why() -> bool:
        assert await rig.fetch_readiness(wrong) != 200
        both_consume = await rig.count_consumers(LANES[Lane.BULK].name) == 2
        return bool(rig.read_log(wrong, "error")) and both_consume

    async def is_counted_for_the_alert() -> bool:
        return await rig.fetch_metric(wrong, UNREACHABLE) > 2

    await rig.wait_until(says_why)
    assert await rig.fetch_readiness(wrong) == 503
    await rig.wait_until(is_counted_for_the_alert)
    assert await rig.fetch_metric(right, UNREACHABLE) == 0

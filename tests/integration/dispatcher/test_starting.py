"""Start of a dispatcher, and its readiness."""

import asyncio
import base64
import os
import time

import asyncpg

from deploy.local.services import Service
from shared.amqp.topology import LANES
from shared.contracts.message import Lane
from tests.databases import wait_until_locked
from tests.integration.dispatcher.endpoint_harness import EndpointHarness
from tests.servers import wait_until_equal

UNREACHABLE = "kreisfunk_dispatcher_meta_unreachable_seconds"


async def test_a_dispatcher_is_not_ready_before_it_consumes_the_lanes(harness: EndpointHarness) -> None:
    first, second = harness.prepare(), harness.prepare()
    await first.start()
    await first.stop()
    async with harness.owner.transaction():
        await harness.owner.execute("select from dispatcher.rate for update")
        starting = asyncio.create_task(second.start())
        end = time.monotonic() + 3
        while time.monotonic() < end:
            if await harness.fetch_readiness(second) == 200:
                assert await consumed_lanes(harness) == len(LANES)
            await asyncio.sleep(0.01)
    await starting
    assert await consumed_lanes(harness) == len(LANES)


async def consumed_lanes(harness: EndpointHarness) -> int:
    return sum([await harness.count_consumers(queue.name) > 0 for queue in LANES.values()])


async def wait_for_advice(harness: EndpointHarness, dispatcher: Service, times: int) -> None:
    """Wait until it has said so often that its schema is not there."""
    log = harness.folder / f"{dispatcher.name}.log"
    await harness.wait_until(lambda: log.exists() and log.read_text().count("run `kreisfunk migrate`") >= times)
    assert await harness.fetch_readiness(dispatcher) != 200


async def test_a_dispatcher_whose_schema_lacks_its_newest_migration_says_so_and_sends_nothing_until_it_has_run(
    harness: EndpointHarness,
) -> None:
    owner, dispatcher = harness.owner, harness.prepare()
    version = await owner.fetchval("select max(version) from dispatcher.schema_migrations")
    checksum = await owner.fetchval(
        "delete from dispatcher.schema_checksums where version = $1 returning checksum", version
    )
    await owner.execute("delete from dispatcher.schema_migrations where version = $1", version)
    await harness.publish_broadcast(harness.build_citizens(10))
    starting = asyncio.create_task(dispatcher.start())
    await wait_for_advice(harness, dispatcher, 2)
    assert (await consumed_lanes(harness), harness.endpoint.requests) == (0, [])
    await owner.execute("insert into dispatcher.schema_migrations values ($1)", version)
    await owner.execute("insert into dispatcher.schema_checksums values ($1, $2)", version, checksum)
    await starting
    await harness.wait_for_accepted(10)


async def test_no_probe_finds_a_dispatcher_alive_that_waits_for_its_schema(
    harness: EndpointHarness, owner: asyncpg.Connection
) -> None:
    """It begins again and again; whoever finds it alive and then not would kill it, and wait before the next start."""
    dispatcher = harness.prepare()
    async with owner.transaction():
        await owner.execute("lock table dispatcher.schema_migrations")
        starting = asyncio.create_task(dispatcher.start())
        await wait_until_locked(harness.owner)
        assert await harness.fetch_readiness(dispatcher) == 0
    await starting


async def test_a_replica_with_a_wrong_or_missing_key_is_not_ready_and_fails_nobody(harness: EndpointHarness) -> None:
    """Once it has an address to decrypt; when it is started again, never, even with nothing to send."""
    (right,) = await harness.start()
    rings = [f"{version}:{base64.b64encode(os.urandom(32)).decode()}" for version in (1, 2)]
    wrong = [harness.prepare(encryption_keys=ring) for ring in rings]
    await asyncio.gather(*(one.start() for one in wrong))
    pids = [one.pid for one in wrong]

    async def are_unready() -> bool:
        return [await harness.fetch_readiness(one) for one in wrong] == [503, 503]

    await wait_until_equal(lambda: harness.count_consumers(LANES[Lane.BULK].name), 3)
    source = await harness.publish_broadcast(harness.build_citizens(400))
    await harness.wait_until(are_unready)
    await harness.wait_for_states({"accepted": 400}, source)
    harness.assert_none_twice()
    assert await harness.fetch_readiness(right) == 200
    assert await are_unready()
    assert [one.pid for one in wrong] == pids
    assert all(harness.read_log(one, "error") for one in wrong)

    again, _ = wrong
    await again.stop()
    await again.wait()
    await again.launch()

    async def has_rested() -> bool:
        readiness = await harness.fetch_readiness(again)
        assert readiness != 200
        return readiness == 503 and await harness.fetch_metric(again, UNREACHABLE) > 2

    await harness.wait_until(has_rested)
    assert await harness.fetch_metric(right, UNREACHABLE) == 0

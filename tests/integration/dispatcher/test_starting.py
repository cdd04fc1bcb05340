"""When a dispatcher starts, and when it says that it is ready."""

import asyncio
import base64
import os
import time
from datetime import UTC, datetime, timedelta

import asyncpg

from shared.amqp.topology import LANES
from shared.contracts.message import Lane
from shared.database.pool import Database as Pool
from tests.databases import FreshDatabase, create_database, migrate_database
from tests.integration.dispatcher.conftest import NUMBER
from tests.integration.dispatcher.dispatch_client import wait_until
from tests.integration.dispatcher.endpoint_harness import RATE, EndpointHarness, wait_until_moment
from tests.integration.dispatcher.factories import wait_until_locked
from tests.integration.dispatcher.harness import ROLE
from tests.servers import Servers

PAUSE_SECONDS = 3.0


async def test_a_dispatcher_is_not_ready_before_it_consumes_the_lanes(
    endpoint_rig: EndpointHarness, database: FreshDatabase
) -> None:
    first, second = endpoint_rig.prepare(), endpoint_rig.prepare()
    await first.start()
    await first.stop()
    other = await asyncpg.connect(database.url)
    setting_up = other.transaction()
    await setting_up.start()
    await other.execute("select from dispatcher.rate for update")
    starting = asyncio.create_task(second.start())
    try:
        end = time.monotonic() + 3
        while time.monotonic() < end:
            if await endpoint_rig.fetch_readiness(second) == 200:
                assert await consumed_lanes(endpoint_rig) == len(LANES)
            await asyncio.sleep(0.01)
    finally:
        await setting_up.rollback()
        await other.close()
    await starting
    assert await consumed_lanes(endpoint_rig) == len(LANES)


async def consumed_lanes(rig: EndpointHarness) -> int:
    return sum([await rig.count_consumers(queue.name) > 0 for queue in LANES.values()])


async def test_a_dispatcher_that_is_started_before_its_schema_waits_for_it(
    endpoint_rig: EndpointHarness, servers: Servers
) -> None:
    async with create_database(servers, "template1") as empty:
        dispatcher = endpoint_rig.prepare(database_url=empty.build_role_url(ROLE))
        starting = asyncio.create_task(dispatcher.start())

        async def is_told() -> bool:
            log = endpoint_rig.folder / f"{dispatcher.name}.log"
            return log.exists() and "run `kreisfunk migrate`" in str(endpoint_rig.read_log(dispatcher, "warning"))

        await wait_until(is_told, endpoint_rig.describe)
        assert await endpoint_rig.fetch_readiness(dispatcher) != 200
        await migrate_database(empty.url)
        await starting
        await dispatcher.stop()


async def test_a_dispatcher_whose_schema_lacks_its_newest_migration_says_so_and_sends_nothing_until_it_has_run(
    endpoint_rig: EndpointHarness,
) -> None:
    books, dispatcher = endpoint_rig.client.books, endpoint_rig.prepare()
    version = await books.fetchval("select max(version) from dispatcher.schema_migrations")
    checksum = await books.fetchval(
        "delete from dispatcher.schema_checksums where version = $1 returning checksum", version
    )
    await books.execute("delete from dispatcher.schema_migrations where version = $1", version)
    await endpoint_rig.client.publish_broadcast(endpoint_rig.build_citizens(10))
    starting = asyncio.create_task(dispatcher.start())

    async def is_told_again() -> bool:
        log = endpoint_rig.folder / f"{dispatcher.name}.log"
        return log.exists() and str(endpoint_rig.read_log(dispatcher, "warning")).count("run `kreisfunk migrate`") > 1

    await wait_until(is_told_again, endpoint_rig.describe)
    assert await endpoint_rig.fetch_readiness(dispatcher) != 200
    assert (await consumed_lanes(endpoint_rig), endpoint_rig.endpoint.requests) == (0, [])
    await books.execute("insert into dispatcher.schema_migrations values ($1)", version)
    await books.execute("insert into dispatcher.schema_checksums values ($1, $2)", version, checksum)
    await starting
    await endpoint_rig.wait_for_accepted(10)


async def test_a_pause_by_an_operator_while_a_dispatcher_starts_holds(
    endpoint_rig: EndpointHarness, database: FreshDatabase, pool: Pool
) -> None:
    await endpoint_rig.client.books.execute("call dispatcher.set_up($1, $2, null, null)", NUMBER, RATE)
    await endpoint_rig.client.publish_broadcast(endpoint_rig.build_citizens(50))
    dispatcher, operator = endpoint_rig.prepare(), await asyncpg.connect(database.url)
    try:
        async with operator.transaction():
            await operator.execute("select from dispatcher.rate for update")
            starting = asyncio.create_task(dispatcher.start())
            await wait_until_locked(pool)
            await operator.execute("select dispatcher.pause_sending('exercise', null)")
        await starting

        async def is_seen() -> bool:
            name = "kreisfunk_dispatcher_send_bound_by"
            paused = await endpoint_rig.fetch_metric(dispatcher, "kreisfunk_dispatcher_sending_paused")
            return paused == await endpoint_rig.fetch_metric(dispatcher, name, **{name: "pause"}) == 1

        await wait_until(is_seen, endpoint_rig.describe)
        await wait_until_moment(time.monotonic() + PAUSE_SECONDS)
        assert await endpoint_rig.read_paused_reason() == "exercise"
        assert endpoint_rig.endpoint.requests == []
        await operator.execute("select dispatcher.resume_sending(null)")
    finally:
        await operator.close()
    await endpoint_rig.wait_for_accepted(50)


async def test_a_message_dated_weeks_ahead_keeps_no_dispatcher_from_starting(
    endpoint_rig: EndpointHarness, database: FreshDatabase
) -> None:
    (dispatcher,) = await endpoint_rig.start()
    await endpoint_rig.client.publish_broadcast(endpoint_rig.build_citizens(10))
    await endpoint_rig.wait_for_accepted(10)
    monday = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    monday += timedelta(days=21 - monday.weekday())
    owner = await asyncpg.connect(database.url)
    try:
        # As it is before this week comes near: there is no partition of its own.
        await owner.execute(f"drop table dispatcher.delivery_{monday:%Y%m%d}")
        (citizen,) = endpoint_rig.build_citizens(1)
        reply = await endpoint_rig.client.request_reply(citizen, "Guten Tag", dated=monday + timedelta(days=2))
        await endpoint_rig.wait_for_accepted(11)
        statement = "select tableoid::regclass::text from dispatcher.delivery where id = $1"
        assert await owner.fetchval(statement, reply) == "dispatcher.delivery_other"
        await dispatcher.stop()
        await dispatcher.start()
        assert await owner.fetchval(statement, reply) == f"dispatcher.delivery_{monday:%Y%m%d}"
    finally:
        await owner.close()
    await endpoint_rig.client.publish_broadcast(endpoint_rig.build_citizens(10))
    await endpoint_rig.wait_for_accepted(21)


async def test_a_replica_with_a_wrong_or_missing_key_is_not_ready_and_fails_nobody(
    endpoint_rig: EndpointHarness,
) -> None:
    (right,) = await endpoint_rig.start()
    rings = [f"{version}:{base64.b64encode(os.urandom(32)).decode()}" for version in (1, 2)]
    wrong = [endpoint_rig.prepare(encryption_keys=ring) for ring in rings]
    await asyncio.gather(*(one.start() for one in wrong))
    pids = [one.pid for one in wrong]

    async def all_consume() -> bool:
        return await endpoint_rig.count_consumers(LANES[Lane.BULK].name) == 3

    await wait_until(all_consume, endpoint_rig.describe)
    source = await endpoint_rig.client.publish_broadcast(endpoint_rig.build_citizens(400))

    async def are_unready() -> bool:
        return [await endpoint_rig.fetch_readiness(one) for one in wrong] == [503, 503]

    await wait_until(are_unready, endpoint_rig.describe)
    await endpoint_rig.wait_for_accepted(400)

    async def all_recorded() -> bool:
        return await endpoint_rig.client.count_states(source) == {"accepted": 400}

    await wait_until(all_recorded, endpoint_rig.describe)
    assert await endpoint_rig.fetch_readiness(right) == 200
    assert await are_unready()
    assert [one.pid for one in wrong] == pids
    assert all(endpoint_rig.read_log(one, "error") for one in wrong)


async def test_a_replica_with_a_wrong_key_is_never_ready_even_with_nothing_to_send(
    endpoint_rig: EndpointHarness,
) -> None:
    (right,) = await endpoint_rig.start()
    await endpoint_rig.client.publish_broadcast(endpoint_rig.build_citizens(5))
    await endpoint_rig.wait_for_accepted(5)
    wrong = endpoint_rig.prepare(encryption_keys=f"1:{base64.b64encode(os.urandom(32)).decode()}")
    await wrong.launch()

    async def says_why() -> bool:
        assert await endpoint_rig.fetch_readiness(wrong) != 200
        return (
            bool(endpoint_rig.read_log(wrong, "error"))
            and await endpoint_rig.count_consumers(LANES[Lane.BULK].name) == 2
        )

    await wait_until(says_why, endpoint_rig.describe)
    assert await endpoint_rig.fetch_readiness(wrong) == 503

    async def is_counted_for_the_alert() -> bool:
        return await endpoint_rig.fetch_metric(wrong, "kreisfunk_dispatcher_meta_unreachable_seconds") > 2

    await wait_until(is_counted_for_the_alert, endpoint_rig.describe)
    assert await endpoint_rig.fetch_metric(right, "kreisfunk_dispatcher_meta_unreachable_seconds") == 0

"""Three brokers and three databases: what was confirmed and committed outlives the server that confirmed it."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from deploy.local.ports import LOOPBACK
from shared.amqp.connection import BrokerUnavailable, connect
from shared.amqp.consumer import ReceivedMessage, open_consumer, run_worker
from shared.amqp.publisher import Publisher, open_publisher
from shared.amqp.topology import INBOUND, SUBSCRIPTIONS_INBOUND, declare
from shared.database.metrics import DatabaseCollector
from shared.database.pool import HOST_TIMEOUT_SECONDS, DatabaseUnavailable, open_database
from shared.database.pool import connect as connect_to_primary
from shared.database.replication import (
    AsynchronousCommitError,
    count_synchronous_standbys,
    require_synchronous_commits,
)
from shared.outcome import Done, Outcome
from tests.proxy import NetworkConditions, run_proxy, run_proxy_to
from tests.replicas.postgres import ReplicatedDatabase, run_postgres_replicas
from tests.replicas.rabbitmq import ClusteredBroker, run_rabbitmq_cluster
from tests.servers import fetch_until, make_folder, wait_for, wait_until_equal

HOLE = NetworkConditions(blackhole=True)
WATERMARK = ("set_vm_memory_high_watermark", "absolute")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with make_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
async def brokers(folder: Path) -> AsyncIterator[ClusteredBroker]:
    async with run_rabbitmq_cluster(folder / "rabbitmq", secrets.token_hex(16)) as running:
        async with connect(running.url, password=None, name="declare") as connection:
            await declare(await connection.channel())
        yield running


@pytest.fixture(scope="module")
async def database(folder: Path) -> AsyncIterator[ReplicatedDatabase]:
    async with run_postgres_replicas(folder / "postgres", secrets.token_hex(16)) as running:
        await fetch_value(running, "create role reader")
        await fetch_value(running, "create table number (value int primary key)")
        yield running


async def fetch_value(database: ReplicatedDatabase, statement: str) -> Any:
    connection = await connect_to_primary(database.url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def is_published(publisher: Publisher, message_id: str) -> bool:
    try:
        await publisher.publish(INBOUND, "messages", b"x", message_id=message_id)
    except BrokerUnavailable:
        return False
    return True


async def test_what_was_confirmed_arrives_although_the_leader_of_its_queue_is_killed(brokers: ClusteredBroker) -> None:
    arrived = set[str]()

    async def take(received: ReceivedMessage) -> Outcome:
        arrived.add(received.message_id)
        return Done()

    async with (
        connect(brokers.url, password=None, name="publish") as publishing,
        connect(brokers.url, password=None, name="consume") as consuming,
        open_publisher(publishing) as publisher,
        open_consumer(consuming, publishing, SUBSCRIPTIONS_INBOUND, prefetch=10) as consumer,
    ):
        working = asyncio.create_task(run_worker(consumer, take))
        leader = await brokers.find_leader(SUBSCRIPTIONS_INBOUND.name)
        confirmed = {f"{number}" for number in range(50) if await is_published(publisher, f"{number}")}
        leader.kill()
        await leader.wait()
        for number in range(50, 60):
            await wait_for(partial(is_published, publisher, f"{number}"))
            confirmed.add(f"{number}")
        await wait_for(lambda: confirmed <= arrived)
        assert len(confirmed) == 60
        working.cancel()
    await leader.start()


async def test_a_node_that_sees_no_other_stops_serving_until_it_does(brokers: ClusteredBroker) -> None:
    lonely = brokers.nodes[1]

    async def serves() -> bool:
        try:
            async with connect(lonely.url, password=None, name="look"):
                return True
        except BrokerUnavailable:
            return False

    await brokers.cut_off(lonely, 6.0)
    await fetch_until(serves, lambda found: not found)
    await wait_for(serves)


async def test_a_node_that_says_nothing_costs_one_attempt(brokers: ClusteredBroker) -> None:
    node = brokers.nodes[0]
    async with run_proxy([node.port]) as proxy:
        proxy.set_conditions(HOLE)
        url = brokers.url.replace(f"{LOOPBACK}:{brokers.nodes[1].port},", "").replace(
            f"{LOOPBACK}:{brokers.nodes[2].port}", f"{LOOPBACK}:{proxy.port}"
        )
        async with connect(url, password=None, name="look") as connection:
            assert connection.connected.is_set()


async def test_a_blocked_connection_that_is_lost_does_not_keep_its_successor_from_publishing(
    brokers: ClusteredBroker,
) -> None:
    """An alarm of the broker has blocked it, and has not ended by then."""
    node = brokers.nodes[0]
    async with (
        run_proxy_to(node.url) as (proxy, url),
        connect(url, password=None, name="test") as connection,
        open_publisher(connection) as publisher,
        open_publisher(connection) as second,
    ):
        assert await is_published(publisher, "before")
        await node.run_rabbitmqctl(*WATERMARK, "1MB")
        assert not await is_published(publisher, "blocked")
        waiting = asyncio.create_task(publisher.publish(INBOUND, "messages", b"x", message_id="cut"))
        await asyncio.sleep(0)
        proxy.cut()
        with pytest.raises(BrokerUnavailable):
            await waiting
        await node.run_rabbitmqctl(*WATERMARK, "768MB")
        for each in (publisher, second):
            await wait_for(partial(is_published, each, "after"), 20)


async def test_what_was_committed_is_there_after_a_failover_and_the_pool_goes_on(database: ReplicatedDatabase) -> None:
    async with open_database(database.url, password=None, name="test", size=2) as pool:
        committed = []
        primary = await database.find_primary()

        async def insert(number: int) -> bool:
            try:
                await pool.fetch("insert into number values ($1) on conflict do nothing", number)
            except DatabaseUnavailable:
                return False
            return True

        async def write() -> None:
            """Until the primary is gone."""
            for number in range(1_000_000):
                if not await insert(number):
                    return
                committed.append(number)

        writing = asyncio.create_task(write())
        await wait_for(lambda: len(committed) > 100)
        primary.server.kill()
        await primary.server.wait()
        await writing
        await database.switch_primary()
        await wait_for(partial(insert, -1))
        stored = {row[0] for row in await pool.fetch("select value from number")}
        assert set(committed) <= stored
        await database.add_standby(primary)
        assert (await database.find_primary()) is not primary
        await wait_until_equal(lambda: count_standbys(database), 2)


async def count_standbys(database: ReplicatedDatabase, role: str = "none") -> int:
    connection = await connect_to_primary(database.url)
    try:
        await connection.execute(f"set role {role}")
        return await count_synchronous_standbys(connection)
    finally:
        await connection.close()


async def test_replicas_are_counted_by_a_role_that_may_not_see_them(database: ReplicatedDatabase) -> None:
    registry, collector = CollectorRegistry(), DatabaseCollector()
    registry.register(collector)
    async with open_database(database.url, password=None, name="test", size=1) as pool, pool.connection() as connection:
        await connection.execute("set role reader")
        await collector.refresh(connection)
    assert registry.get_sample_value("kreisfunk_database_replicas") == 2
    assert await count_standbys(database, role="reader") == 2


_WAITING = """
select count(*) from pg_sleep(0.1), pg_stat_activity where wait_event = 'SyncRep' and application_name = 'given up'
"""


async def test_a_commit_that_waits_for_a_standby_is_not_shown_to_others_because_its_caller_gave_up(
    database: ReplicatedDatabase,
) -> None:
    primary = await database.find_primary()
    standbys = [member.server for member in database.members if member is not primary]
    for standby in standbys:
        await standby.stop()
    assert await count_standbys(database, role="reader") == 0
    async with open_database(database.url, password=None, name="given up", size=1) as pool:
        with pytest.raises(DatabaseUnavailable):
            async with pool.connection() as connection:
                await connection.execute("insert into number values (-2)", timeout=1)
    # Longer than the server takes to notice that the client is gone.
    for _ in range(20):
        assert await fetch_value(database, "select count(*) from number where value = -2") == 0
        assert await fetch_value(database, _WAITING) == 1
    for standby in standbys:
        await standby.start()
    await wait_for(lambda: fetch_value(database, "select count(*) from number where value = -2"))


async def test_a_server_that_says_nothing_is_passed_over(database: ReplicatedDatabase) -> None:
    primary = (await database.find_primary()).server
    async with run_proxy([primary.port]) as proxy:
        proxy.set_conditions(HOLE)
        url = primary.build_url("kreisfunk").replace(f"@{primary.hosts}", f"@{LOOPBACK}:{proxy.port},{primary.hosts}")
        async with (
            asyncio.timeout(2 * HOST_TIMEOUT_SECONDS),
            open_database(url, password=None, name="x", size=1) as pool,
        ):
            assert await pool.is_reachable()


async def test_without_a_primary_the_database_is_unavailable(database: ReplicatedDatabase) -> None:
    primary = await database.find_primary()
    hosts = ",".join(member.server.hosts for member in database.members if member is not primary)
    url = database.url.replace(database.hosts, hosts)
    async with open_database(url, password=None, name="x", size=1) as pool:
        with pytest.raises(DatabaseUnavailable, match="NoServerAcceptsWritesError"):
            await pool.is_reachable()


@pytest.mark.parametrize(
    ("weaken", "mend", "what"),
    [
        (
            "alter system set synchronous_standby_names = ''",
            "alter system reset synchronous_standby_names",
            "synchronous_standby_names is empty",
        ),
        (
            "alter role kreisfunk_owner set synchronous_commit = off",
            "alter role kreisfunk_owner reset synchronous_commit",
            "synchronous_commit is off",
        ),
        (
            "alter role reader set synchronous_commit = local",
            "alter role reader reset synchronous_commit",
            "reader: synchronous_commit=local",
        ),
        (
            "alter database kreisfunk set synchronous_commit = remote_write",
            "alter database kreisfunk reset synchronous_commit",
            "synchronous_commit is remote_write",
        ),
    ],
)
async def test_commits_that_wait_for_no_standby_are_found(
    database: ReplicatedDatabase, weaken: str, mend: str, what: str
) -> None:
    names = await fetch_value(database, "show synchronous_standby_names")
    mend = mend.replace("reset synchronous_standby_names", f"set synchronous_standby_names = '{names}'")

    async def find() -> str:
        connection = await connect_to_primary(database.url)
        try:
            await require_synchronous_commits(connection)
        except AsynchronousCommitError as error:
            return str(error)
        finally:
            await connection.close()
        return ""

    async def is_well() -> bool:
        return await find() == ""

    assert await is_well()
    try:
        for statement in (weaken, "select pg_reload_conf()"):
            await fetch_value(database, statement)
        await fetch_until(find, lambda found: what in found, 10)
    finally:
        for statement in (mend, "select pg_reload_conf()"):
            await fetch_value(database, statement)
    await wait_for(is_well, 10)

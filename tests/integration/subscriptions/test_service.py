"""The main use case of this service as a process: real queues, a real database, logins with their rights."""

import asyncio
import subprocess
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import asyncpg
import pytest

from deploy.paths import ROOT
from services.subscriptions.domain.broadcast import MAX_PAGE_RECIPIENTS
from services.subscriptions.handlers.expansion import PAGES_AHEAD, ROUNDS
from shared.amqp import topology
from shared.amqp.connection import BrokerUnavailable, connect
from shared.amqp.publisher import open_publisher
from shared.contracts.dispatch import BroadcastBatch, BroadcastFollowUp
from shared.contracts.envelope import decode
from shared.contracts.events import NoticeAccepted, SubscriptionEnded
from shared.contracts.inbound import InboundMessages
from shared.contracts.message import Lane
from tests.databases import FreshDatabase, create_database, migrate_database
from tests.factories.citizens import TEXTS
from tests.harness.processes import ServiceProcess
from tests.integration.subscriptions.harness import ROLE, subscribe_many
from tests.integration.subscriptions.service_process import (
    BrokerHarness,
    build_current_message,
    build_current_notice,
    run_service,
)
from tests.proxy import UNDISTURBED_NETWORK, NetworkConditions, run_proxy_to
from tests.servers import Servers, call_broker_api, fetch_until, wait_for

REPLIES = topology.LANES[Lane.REPLY].name
BULK = topology.LANES[Lane.BULK]
LETTERS = "select * from subscriptions.dead_letter"


async def test_start_a_notice_and_stop_reach_the_dispatcher(service: ServiceProcess, broker: BrokerHarness) -> None:
    await broker.say(build_current_message("Start"))
    assert (await broker.read_reply()).text == TEXTS.receipt.text

    await broker.publish_notice(build_current_notice("L149"))
    incoming = await broker.wait_for_message(BULK.name)
    batch = decode(incoming.body)
    assert isinstance(batch, BroadcastBatch)
    assert (len(batch.recipients), batch.last) == (1, True)
    assert [accepted.broadcast for accepted in await broker.list_events(NoticeAccepted)] == [batch.broadcast]

    await broker.say(build_current_message("Stop"))
    assert (await broker.read_reply()).withdrawal is not None
    ended = decode((await broker.wait_for_message(topology.DISPATCHER_SUPPRESSIONS.name)).body)
    assert isinstance(ended, SubscriptionEnded)
    assert 'kreisfunk_subscriptions_inbound_total{outcome="ended"} 1.0' in await service.fetch_metrics()


async def test_a_notice_that_follows_another_goes_to_those_who_got_that(
    service: ServiceProcess, broker: BrokerHarness
) -> None:
    await broker.publish_notice(build_current_notice("L149"))
    batch = decode((await broker.wait_for_message(BULK.name)).body)
    await broker.publish_notice(build_current_notice("frei", follows="L149"))
    follow_up = decode((await broker.wait_for_message(BULK.name)).body)
    assert isinstance(batch, BroadcastBatch)
    assert isinstance(follow_up, BroadcastFollowUp)
    assert (follow_up.notice, follow_up.follows) == ("frei", (batch.broadcast,))


async def test_a_full_lane_stops_the_expansion_until_there_is_room(
    service: ServiceProcess, broker: BrokerHarness, owner: asyncpg.Connection
) -> None:
    # RabbitMQ says that a quorum queue is full some messages later, but not a whole step later.
    pages_per_step = (ROUNDS + 1) * PAGES_AHEAD
    count = 2 * pages_per_step
    await subscribe_many(owner, count * MAX_PAGE_RECIPIENTS)
    await broker.publish_notice(build_current_notice("L149"))
    assert BULK.max_length is not None
    await fetch_until(lambda: broker.count_messages(BULK.name), lambda found: found >= (BULK.max_length or 0))
    pages: dict[int, int] = {}
    while len(pages) < count:
        batch = decode((await broker.wait_for_message(BULK.name)).body)
        assert isinstance(batch, BroadcastBatch)
        pages[batch.page] = len(batch.recipients)
        assert await broker.count_messages(BULK.name) <= BULK.max_length + pages_per_step
    assert sum(pages.values()) == count * MAX_PAGE_RECIPIENTS
    assert sorted(pages) == list(range(count))


async def test_lost_connections_come_back_without_a_restart(
    service: ServiceProcess, broker: BrokerHarness, owner: asyncpg.Connection, servers: Servers
) -> None:
    process = service.child.pid
    await call_broker_api(servers, "DELETE", f"connections/username/{broker.service_login}")
    await owner.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", ROLE)
    await broker.say(build_current_message("Start"))
    assert (await broker.read_reply()).text == TEXTS.receipt.text
    await broker.publish_notice(build_current_notice("L149"))
    assert (await broker.wait_for_message(BULK.name)).body
    await wait_for(service.is_ready)
    assert service.child.pid == process


async def test_a_process_that_alone_has_lost_its_database_keeps_no_message(
    service: ServiceProcess, broker: BrokerHarness, database: FreshDatabase, tmp_path: Path
) -> None:
    async with (
        run_proxy_to(database.build_role_url(ROLE)) as (proxy, url),
        run_service(broker, url, tmp_path / "cut off"),
    ):
        proxy.set_conditions(NetworkConditions(refuse=True))
        for citizen in range(10):
            await broker.say(build_current_message("Stop", citizen))
        for _ in range(10):
            assert (await broker.read_reply()).text == TEXTS.unsubscribe_confirmation.text


async def test_a_reply_waits_until_its_lane_is_declared(service: ServiceProcess, broker: BrokerHarness) -> None:
    lane = await broker.channel.get_queue(REPLIES, ensure=False)
    await lane.unbind(topology.DISPATCH, Lane.REPLY)
    await broker.say(build_current_message("Stop"))
    await wait_for(lambda: "dependency_unavailable" in service.log)
    await lane.bind(topology.DISPATCH, Lane.REPLY)
    assert (await broker.read_reply()).text == TEXTS.unsubscribe_confirmation.text
    assert await broker.count_messages(topology.SUBSCRIPTIONS_INBOUND.dead_letter_queue) == 0


async def test_a_signal_ends_it_cleanly_and_nothing_is_left_in_hand(
    service: ServiceProcess, broker: BrokerHarness
) -> None:
    await broker.say(*(build_current_message("Start", citizen) for citizen in range(200)))
    await broker.wait_for_message(REPLIES)
    await service.child.stop()
    assert await service.child.wait() == 0
    for _ in range(199):
        await broker.wait_for_message(REPLIES)
    assert await broker.take(topology.SUBSCRIPTIONS_INBOUND.name) is None


async def test_a_killed_process_answers_everybody_after_its_restart(
    service: ServiceProcess, broker: BrokerHarness
) -> None:
    await broker.say(*(build_current_message("Start", citizen) for citizen in range(200)))
    first = await broker.wait_for_message(REPLIES)
    service.child.kill()
    await service.child.wait()
    await service.child.start()
    replies = {first.message_id}

    async def everybody_is_answered() -> bool:
        while incoming := await broker.take(REPLIES):
            replies.add(incoming.message_id)
        return len(replies) == 200

    await wait_for(everybody_is_answered)


@pytest.mark.foreign_messages("nobody can read it, so that it becomes a dead letter")
async def test_logs_name_nobody_and_what_nobody_can_read_is_encrypted(
    service: ServiceProcess, broker: BrokerHarness, owner: asyncpg.Connection
) -> None:
    await broker.say(build_current_message("Hallo, ich bin 4917604069001"), build_current_message("Start", 2))
    await broker.publish(topology.INBOUND, InboundMessages.KEY, b'{"broken": "4917604069001"}')

    async def is_stored() -> bool:
        query = "select count(*) from subscriptions.dead_letter where position('4917604069'::bytea in body_sealed) = 0"
        return await owner.fetchval(query) == 1 and "4917604069" not in str(await owner.fetch(LETTERS))

    await wait_for(is_stored)
    await broker.read_reply()
    assert await broker.count_messages(topology.SUBSCRIPTIONS_INBOUND.dead_letter_queue) == 0
    assert "dead_letter" in service.log
    assert "4917604069" not in service.log


def test_everything_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "services.subscriptions"],
        env={"PATH": "/usr/bin", "KREISFUNK_COUNTY_FILE": str(tmp_path / "none.toml")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 2
    for name in ("BROKER_URL", "DATABASE_URL", "COUNTY_FILE"):
        assert f"KREISFUNK_{name}: " in finished.stderr
    assert "Traceback" not in finished.stderr


async def test_a_channel_of_a_connection_that_is_lost_is_a_broker_that_is_away(vhost: str) -> None:
    async with run_proxy_to(vhost) as (proxy, url), connect(url, password=None, name="test") as connection:
        proxy.set_conditions(NetworkConditions(refuse=True))
        await wait_for(lambda: connection.transport is None)
        with pytest.raises(BrokerUnavailable):
            async with open_publisher(connection):
                pass


@pytest.mark.usefixtures("database_template")  # with it come the roles of the server
async def test_whoever_is_started_first_waits_for_database_and_schema(
    broker: BrokerHarness, servers: Servers, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with (
        create_database(servers, "template1") as empty,
        run_proxy_to(empty.build_role_url(ROLE)) as (proxy, url),
    ):
        proxy.set_conditions(NetworkConditions(refuse=True))
        starting = asyncio.create_task(_used(run_service(broker, url, log)))
        await wait_for(lambda: logged(log, "database: "))
        proxy.set_conditions(UNDISTURBED_NETWORK)
        await wait_for(lambda: logged(log, "run `kreisfunk migrate`"))
        await migrate_database(empty.url)
        await starting
    assert "Traceback" not in log.read_text()


async def _used(service: AbstractAsyncContextManager[ServiceProcess]) -> None:
    async with service as running:
        assert await running.is_ready()


async def logged(log: Path, words: str) -> bool:
    return await asyncio.to_thread(lambda: log.exists() and words in log.read_text())

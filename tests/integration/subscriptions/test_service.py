"""The main job of this service as a process: real queues, a real database, logins with their rights."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import msgspec
import pytest
from aio_pika.abc import AbstractIncomingMessage

from deploy.local.ports import LOOPBACK
from deploy.paths import ROOT
from services.subscriptions.domain.broadcast import MAX_PAGE_RECIPIENTS
from services.subscriptions.handlers.expansion import PAGES_AHEAD, ROUNDS
from shared.amqp import topology
from shared.contracts.dispatch import BroadcastBatch, BroadcastFollowUp, ReplyRequested
from shared.contracts.envelope import decode
from shared.contracts.events import NoticeAccepted, NoticeRejected, SubscriptionEnded
from shared.contracts.inbound import InboundMessage, InboundMessages
from shared.contracts.message import Lane
from shared.contracts.notices import NoticePublished
from tests.databases import ROLE_PASSWORD, FreshDatabase, create_database, migrate_database
from tests.factories.citizens import TEXTS, build_both, build_message, build_message_key
from tests.integration.subscriptions.audience import subscribe_many
from tests.integration.subscriptions.conftest import ROLE
from tests.integration.subscriptions.harness import encode_group
from tests.integration.subscriptions.notice_factory import NOTICE, build_cloud_event
from tests.integration.subscriptions.service_process import (
    BrokerHarness,
    SubscriptionsProcess,
    build_environment,
    open_broker_harness,
    run_service,
)
from tests.proxy import UNDISTURBED_NETWORK, NetworkConditions, run_proxy
from tests.servers import Servers, call_broker_api, wait_for

REPLIES = topology.LANES[Lane.REPLY].name
BULK = topology.LANES[Lane.BULK]
REJECTED = topology.NOTICES_QUARANTINE
LETTERS = "select * from subscriptions.dead_letter"


@pytest.fixture(scope="module")
async def module_broker(
    servers: Servers, vhost: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[BrokerHarness]:
    async with open_broker_harness(servers, vhost, tmp_path_factory.mktemp("county")) as broker:
        yield broker


@pytest.fixture
async def broker(module_broker: BrokerHarness) -> BrokerHarness:
    """With empty queues."""
    for name in [
        *(queue.name for queue in topology.QUEUES),
        REJECTED,
        topology.SUBSCRIPTIONS_NOTICES.dead_letter_queue,
    ]:
        await (await module_broker.channel.get_queue(name, ensure=False)).purge()
    await module_broker.list_events(NoticeAccepted)
    return module_broker


@pytest.fixture
async def service(
    broker: BrokerHarness, database: FreshDatabase, tmp_path: Path
) -> AsyncIterator[SubscriptionsProcess]:
    async with run_service(broker, database.build_role_url(ROLE), tmp_path / "log") as running:
        yield running


def now(text: str, citizen: object = 1) -> InboundMessage:
    said = datetime.now(UTC)
    return msgspec.structs.replace(
        build_message(text, sender=build_both(citizen)),
        message_key=build_message_key(text, said),
        sent_at=said,
        received_at=said,
    )


async def say(broker: BrokerHarness, *messages: InboundMessage) -> None:
    await broker.publish(topology.INBOUND, InboundMessages.KEY, encode_group(messages))


async def next_reply(broker: BrokerHarness) -> ReplyRequested:
    reply = decode((await arrived(broker, REPLIES)).body)
    assert isinstance(reply, ReplyRequested)
    return reply


async def arrived(broker: BrokerHarness, queue: str) -> AbstractIncomingMessage:
    """The next message of a queue."""
    found: list[AbstractIncomingMessage] = []

    async def look() -> bool:
        incoming = await broker.take(queue)
        found.extend([incoming] if incoming else [])
        return bool(found)

    await wait_for(look)
    return found[0]


def notice(subject: str = "L149", **changes: object) -> bytes:
    expiry = datetime.now(UTC) + timedelta(hours=3)
    return build_cloud_event(
        NoticePublished.TYPE, NOTICE | changes, subject=subject, event_id=f"event-{subject}", expirytime=expiry
    )


async def test_start_a_notice_and_stop_reach_the_dispatcher(
    service: SubscriptionsProcess, broker: BrokerHarness
) -> None:
    await say(broker, now("Start"))
    assert (await next_reply(broker)).text == TEXTS.receipt.text

    await broker.publish_notice(notice())
    incoming = await arrived(broker, BULK.name)
    batch = decode(incoming.body)
    assert isinstance(batch, BroadcastBatch)
    assert (len(batch.recipients), batch.last) == (1, True)
    assert [accepted.broadcast for accepted in await broker.list_events(NoticeAccepted)] == [batch.broadcast]

    await say(broker, now("Stop"))
    assert (await next_reply(broker)).withdrawal is not None
    ended = decode((await arrived(broker, topology.DISPATCHER_SUPPRESSIONS.name)).body)
    assert isinstance(ended, SubscriptionEnded)
    assert 'kreisfunk_subscriptions_inbound_total{outcome="ended"} 1.0' in await service.fetch_metrics()


@pytest.mark.foreign_messages("a notice without a headline, to be rejected")
async def test_a_wrong_notice_comes_back_and_is_kept(service: SubscriptionsProcess, broker: BrokerHarness) -> None:
    await broker.publish_notice(notice(topic="wetter", headline=""))
    kept = await arrived(broker, REJECTED)
    assert {problem.split(": ")[0] for problem in str(kept.headers["reason"]).split("; ")} == {"topic", "headline"}
    assert (kept.headers["kind"], kept.headers["event"], kept.headers["system"]) == (
        "notice",
        "event-L149",
        broker.press,
    )
    (rejection,) = await broker.list_events(NoticeRejected)
    assert {problem.field for problem in rejection.problems} == {"topic", "headline"}
    assert await service.is_ready()


async def test_a_notice_that_follows_another_goes_to_those_who_got_that(
    service: SubscriptionsProcess, broker: BrokerHarness
) -> None:
    await broker.publish_notice(notice())
    batch = decode((await arrived(broker, BULK.name)).body)
    await broker.publish_notice(notice("frei", follows="L149"))
    follow_up = decode((await arrived(broker, BULK.name)).body)
    assert isinstance(batch, BroadcastBatch)
    assert isinstance(follow_up, BroadcastFollowUp)
    assert (follow_up.notice, follow_up.follows) == ("frei", (batch.broadcast,))


async def test_a_full_lane_stops_the_expansion_until_there_is_room(
    service: SubscriptionsProcess, broker: BrokerHarness, database: FreshDatabase
) -> None:
    # RabbitMQ says that a quorum queue is full some messages later, but not a whole turn later.
    turn = (ROUNDS + 1) * PAGES_AHEAD
    count = 2 * turn
    await subscribe_many(database, count * MAX_PAGE_RECIPIENTS)
    await broker.publish_notice(notice())
    assert BULK.max_length is not None

    async def lane_is_full() -> bool:
        return await broker.count_messages(BULK.name) >= (BULK.max_length or 0)

    await wait_for(lane_is_full)
    pages: dict[int, int] = {}
    while len(pages) < count:
        batch = decode((await arrived(broker, BULK.name)).body)
        assert isinstance(batch, BroadcastBatch)
        pages[batch.page] = len(batch.recipients)
        assert await broker.count_messages(BULK.name) <= BULK.max_length + turn
    assert sum(pages.values()) == count * MAX_PAGE_RECIPIENTS
    assert sorted(pages) == list(range(count))


async def test_lost_connections_come_back_without_a_restart(
    service: SubscriptionsProcess, broker: BrokerHarness, database: FreshDatabase, servers: Servers
) -> None:
    process = service.child.pid
    await call_broker_api(servers, "DELETE", f"connections/username/{broker.service_login}")
    admin = await asyncpg.connect(database.url)
    await admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", ROLE)
    await admin.close()
    await say(broker, now("Start"))
    assert (await next_reply(broker)).text == TEXTS.receipt.text
    await broker.publish_notice(notice())
    assert (await arrived(broker, BULK.name)).body
    await wait_for(service.is_ready)
    assert service.child.pid == process


async def test_a_reply_waits_until_its_lane_is_declared(service: SubscriptionsProcess, broker: BrokerHarness) -> None:
    lane = await broker.channel.get_queue(REPLIES, ensure=False)
    await lane.unbind(topology.DISPATCH, Lane.REPLY)
    await say(broker, now("Stop"))

    async def it_waits() -> bool:
        return "dependency_unavailable" in service.log

    await wait_for(it_waits)
    await lane.bind(topology.DISPATCH, Lane.REPLY)
    assert (await next_reply(broker)).text == TEXTS.unsubscribe_confirmation.text
    assert await broker.count_messages(topology.SUBSCRIPTIONS_INBOUND.dead_letter_queue) == 0


async def test_a_signal_ends_it_cleanly_and_nothing_is_left_in_hand(
    service: SubscriptionsProcess, broker: BrokerHarness
) -> None:
    await say(broker, *(now("Start", citizen) for citizen in range(200)))
    await arrived(broker, REPLIES)
    await service.child.stop()
    assert await service.child.wait() == 0
    for _ in range(199):
        await arrived(broker, REPLIES)
    assert await broker.take(topology.SUBSCRIPTIONS_INBOUND.name) is None


async def test_a_killed_process_answers_everybody_after_its_restart(
    service: SubscriptionsProcess, broker: BrokerHarness
) -> None:
    await say(broker, *(now("Start", citizen) for citizen in range(200)))
    first = await arrived(broker, REPLIES)
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
async def test_logs_name_nobody_and_what_nobody_can_read_is_sealed(
    service: SubscriptionsProcess, broker: BrokerHarness, database: FreshDatabase
) -> None:
    await say(broker, now("Hallo, ich bin 4917604069001"), now("Start", 2))
    await broker.publish(topology.INBOUND, InboundMessages.KEY, b'{"broken": "4917604069001"}')
    admin = await asyncpg.connect(database.url)

    async def it_is_kept() -> bool:
        kept = "select count(*) from subscriptions.dead_letter where position('4917604069'::bytea in body_sealed) = 0"
        return await admin.fetchval(kept) == 1 and "4917604069" not in str(await admin.fetch(LETTERS))

    await wait_for(it_is_kept)
    await admin.close()
    await next_reply(broker)
    assert await broker.count_messages(topology.SUBSCRIPTIONS_INBOUND.dead_letter_queue) == 0
    assert "dead_letter" in service.log
    assert "4917604069" not in service.log


def start(settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.subscriptions"],
        env=settings,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_everything_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    finished = start({"PATH": "/usr/bin", "KREISFUNK_COUNTY_FILE": str(tmp_path / "none.toml")})
    assert finished.returncode == 2
    for name in ("BROKER_URL", "DATABASE_URL", "COUNTY_FILE"):
        assert f"KREISFUNK_{name}: " in finished.stderr
    assert "Traceback" not in finished.stderr


async def test_a_broken_county_file_is_named(broker: BrokerHarness, tmp_path: Path) -> None:
    broken = tmp_path / "county.toml"
    broken.write_text('name = "Landkreis Osterholz"\n')
    settings = dict(build_environment(broker, "postgresql://nobody@127.0.0.1:1/none", 0))
    finished = start(settings | {"KREISFUNK_COUNTY_FILE": str(broken)})
    assert finished.returncode == 2
    assert "KREISFUNK_COUNTY_FILE: " in finished.stderr
    assert "topics" in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.usefixtures("database_template")  # with it come the roles of the server
async def test_whoever_is_started_first_waits_for_database_and_schema(
    broker: BrokerHarness, servers: Servers, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with create_database(servers, "template1") as empty:
        address = urlsplit(empty.build_role_url(ROLE))
        async with run_proxy([address.port or 5432]) as proxy:
            proxy.set_conditions(NetworkConditions(refuse=True))
            url = address._replace(netloc=f"{ROLE}:{ROLE_PASSWORD}@{LOOPBACK}:{proxy.port}").geturl()
            starting = asyncio.create_task(_used(run_service(broker, url, log)))
            await wait_for(lambda: logged(log, "database: "))
            proxy.set_conditions(UNDISTURBED_NETWORK)
            await wait_for(lambda: logged(log, "run `kreisfunk migrate`"))
            await migrate_database(empty.url)
            await starting
    assert "Traceback" not in log.read_text()


async def _used(service: AbstractAsyncContextManager[SubscriptionsProcess]) -> None:
    async with service as running:
        assert await running.is_ready()


async def logged(log: Path, words: str) -> bool:
    return await asyncio.to_thread(lambda: log.exists() and words in log.read_text())

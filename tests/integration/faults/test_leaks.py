"""The search at the end of a run finds what is planted in a log, metrics, a table, a queue and a passing message."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aio_pika
import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from shared.amqp import topology
from shared.runtime.background import run_in_background
from tests.databases import FreshDatabase
from tests.faults.leaks import observer
from tests.faults.leaks.pii_patterns import PatternGroup, PiiKind, PiiValues, build_pattern_groups
from tests.faults.leaks.recorder import MESSAGES, METRICS, record_traffic
from tests.faults.leaks.scan_targets import find_log_files, search_file, search_queues, search_tables
from tests.servers import wait_for

PHONE, USER, TEXT = "491760406900007", "DE.40100200300000007", "vorgangabc"
WANTED = build_pattern_groups(PiiValues(phones=(PHONE,), user_ids=(USER,), names=("Telefon 7",), texts=(TEXT,)))
METRIC = f'kreisfunk_sent{{to="{PHONE}"}} 1\n'


@pytest.fixture
async def metrics_url() -> AsyncIterator[str]:
    async def show(_: web.Request) -> web.Response:
        return web.Response(text=METRIC)

    application = web.Application()
    application.router.add_get("/metrics", show)
    async with TestServer(application) as server:
        yield str(server.make_url("/metrics"))


def search(path: Path, wanted: tuple[PatternGroup, ...] = WANTED) -> list[tuple[str, str]]:
    return [(leak.kind, leak.at) for leak in search_file(path, path.name, wanted)]


def test_a_log_wherever_it_is(tmp_path: Path) -> None:
    (tmp_path / "rabbitmq").mkdir()
    (tmp_path / "rabbitmq" / "rabbitmq.log.1").write_text("harmless\n" * 3 + f"user=+{PHONE}\n")
    (path,) = find_log_files(tmp_path)
    assert search(path) == [("phone number", "line 4")]


async def test_a_table_says_its_column_and_clean_ones_say_nothing(
    database: FreshDatabase, owner: asyncpg.Connection
) -> None:
    assert await search_tables(database.url, WANTED) == []
    content = json.dumps({"text": f"an {base64.b64encode(f'+{PHONE}'.encode()).decode()}"})
    await owner.execute(
        "insert into dispatcher.delivery (id, source, lane, state, address_kind, address_index, address_sealed,"
        " content, asked_at, expires_at)"
        " values (gen_random_uuid(), gen_random_uuid(), 'reply', 'accepted', 'user', $1, '', $2, now(), now())",
        USER.encode(),
        content,
    )
    await owner.execute(
        "insert into subscriptions.feedback (id, kind, said, at) values (gen_random_uuid(), 'text', $1, now())", TEXT
    )
    await owner.execute(
        "insert into subscriptions.wording (hash, version, text) values ('', '', $1)", f"{TEXT} Telefon 7"
    )
    found = {(leak.where, leak.at, leak.kind, leak.form) for leak in await search_tables(database.url, WANTED)}
    assert found == {
        ("table dispatcher.delivery_other", "column address_index", "user id", "plain"),
        ("table dispatcher.delivery_other", "column content", "phone number", "base64"),
        ("table subscriptions.wording", "column text", "profile name", "plain"),
        ("table subscriptions.wording", "column text", "text of a citizen", "plain"),
    }


async def test_a_queue_is_read_to_its_end_and_keeps_everything(
    vhost: str, channel: aio_pika.abc.AbstractChannel
) -> None:
    dead = topology.SUBSCRIPTIONS_UNDELIVERABLE.dead_letter_queue
    rejected = aio_pika.Message(b"harmless", headers={"reason": f"no such user {USER}"})
    for message in (rejected, aio_pika.Message(PHONE.encode()), aio_pika.Message(b"harmless")):
        await channel.default_exchange.publish(message, dead)
    for _ in range(2):
        found = {(leak.where, leak.at, leak.kind) for leak in await search_queues(vhost, {dead: "quorum"}, WANTED)}
        assert found == {(f"queue {dead}", "headers", "user id"), (f"queue {dead}", "body", "phone number")}
    queue = await channel.get_queue(dead)
    assert [(await queue.get(no_ack=True)).body for _ in range(3)] == [b"harmless", PHONE.encode(), b"harmless"]


async def test_a_stream_is_read_from_its_beginning(vhost: str, channel: aio_pika.abc.AbstractChannel) -> None:
    stream = await channel.declare_queue("test.stream", durable=True, arguments={"x-queue-type": "stream"})
    for body in (PHONE.encode(), b"harmless"):
        await channel.default_exchange.publish(aio_pika.Message(body), stream.name)
    for _ in range(2):
        found = await search_queues(vhost, {stream.name: "stream"}, WANTED)
        assert [(leak.at, leak.kind) for leak in found] == [("body", PiiKind.PHONE)]
    await stream.delete()


async def test_a_stream_that_goes_on_growing_is_read_to_an_end(
    vhost: str, channel: aio_pika.abc.AbstractChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observer, "READ_TIMEOUT_SECONDS", 4.0)
    stream = await channel.declare_queue("test.growing", durable=True, arguments={"x-queue-type": "stream"})
    await channel.default_exchange.publish(aio_pika.Message(PHONE.encode()), stream.name)

    async def grow() -> None:
        while True:
            await channel.default_exchange.publish(aio_pika.Message(b"harmless"), stream.name)
            await asyncio.sleep(0.2)

    async with run_in_background(grow()), asyncio.timeout(60):
        found = await search_queues(vhost, {stream.name: "stream"}, WANTED)
    assert [(leak.at, leak.kind) for leak in found] == [("body", PiiKind.PHONE)]
    await stream.delete()


async def test_citizens_words_may_wait_for_us_but_their_numbers_may_not(
    vhost: str, channel: aio_pika.abc.AbstractChannel
) -> None:
    dead = topology.SUBSCRIPTIONS_INBOUND.dead_letter_queue
    await channel.default_exchange.publish(aio_pika.Message(f"{TEXT} {PHONE}".encode()), dead)
    assert [leak.kind for leak in await search_queues(vhost, {dead: "quorum"}, WANTED)] == [PiiKind.PHONE]


@pytest.mark.foreign_messages("personal data where no message of ours has any, to be found")
async def test_what_only_passes_by_is_kept_for_the_search(
    tmp_path: Path, vhost: str, channel: aio_pika.abc.AbstractChannel, metrics_url: str
) -> None:
    (tmp_path / METRICS).mkdir()
    (tmp_path / METRICS / "from an earlier run").write_text(PHONE)
    message, metrics = tmp_path / MESSAGES / "kreisfunk.events broadcast.started", tmp_path / METRICS / "dispatcher-1"

    async def heard() -> bool:
        exchange = await channel.get_exchange(topology.EVENTS)
        await exchange.publish(aio_pika.Message(PHONE.encode(), headers={"for": USER}), "broadcast.started")
        return message.exists() and metrics.exists() and metrics.stat().st_size > 0

    async with record_traffic(tmp_path, broker_url=vhost, metrics_urls={"dispatcher-1": metrics_url}):
        await wait_for(heard)
    assert {kind for kind, _ in search(message)} == {"phone number", "user id"}
    assert search(metrics) == [("phone number", "line 1")]
    assert [path.name for path in (tmp_path / METRICS).iterdir()] == ["dispatcher-1"]

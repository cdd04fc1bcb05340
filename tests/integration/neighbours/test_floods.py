"""Municipal logins at their limits: they hear so, and nobody else notices, not even who writes "Stop"."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import aio_pika
import pytest
from aio_pika.abc import AbstractConnection, AbstractExchange
from aio_pika.exceptions import DeliveryError
from aiormq.exceptions import AMQPConnectionError, InvalidFrameError

from deploy.local.rabbitmq import RABBIT_ARGUMENTS
from shared.amqp import topology
from shared.amqp.permissions import MUNICIPAL_LIMITS
from shared.contracts.envelope import CONTENT_TYPE
from shared.notices.cloudevents import MAX_BODY_BYTES
from tests.harness import amqp_1_0
from tests.integration.neighbours.harness import AT_ONCE, CONNECTIONS, LOGIN, MunicipalHarness, run_municipal_harness
from tests.servers import fetch_until, make_folder, wait_for, wait_until_equal

pytestmark = [pytest.mark.timeout(400), pytest.mark.alone]
REFUSED = (AMQPConnectionError, InvalidFrameError)  # what the library makes of a refusal
PROMISED_SECONDS = 1.0
BUSY_MACHINE = 10  # times what answers take here without a flood, where a machine is too busy for the promise
OPEN = ("running", "flow", "blocking", "blocked")  # a connection's states; others are on their way in or out
CUT = ("uncommitted", "unfinished", "unanswered", "broken")  # off for it
CITIZENS = 300  # who write, so that a flood lasts three seconds: what unbounded ones do shows within two
STORM = 201  # connections
STOPS = 700
MAX_REJECTION = 5_000  # about: it names twenty fields that nobody knows
MAX_HEADERS, TOO_MANY_HEADERS = 15_000, 100_000  # of which the broker takes 16 KiB
SOME_HEADERS = 4_000
MAX_BYTES_LOGGED = 10_000  # at once, where RabbitMQ by itself writes 50,000
MUCH_MEGABYTES = 1_000  # five times what a queue keeps of them, as it is cut after a number of messages
MAX_BYTES_ON_DISK = 400_000_000
REJECTIONS = 8_000  # of that size, which a login makes in seven minutes
QUEUE = topology.SUBSCRIPTIONS_NOTICES


@pytest.fixture(scope="module")
async def county() -> AsyncIterator[MunicipalHarness]:
    with make_folder() as folder:
        async with run_municipal_harness(folder) as running:
            yield running


@pytest.fixture(scope="module")
async def usual(county: MunicipalHarness) -> float:
    """Within how many seconds citizens are answered on this machine without a flood."""
    return await county.measure_answers(CITIZENS)


@pytest.fixture(scope="module")
async def much_was_answered(county: MunicipalHarness) -> None:
    await county.publish_rejections(REJECTIONS, MAX_REJECTION)


def message(body: bytes = b"{}", expiration: int | None = None) -> aio_pika.Message:
    persistent = aio_pika.DeliveryMode.PERSISTENT
    return aio_pika.Message(
        body, user_id=LOGIN, content_type=CONTENT_TYPE, delivery_mode=persistent, expiration=expiration
    )


@pytest.mark.parametrize(
    ("way", "size"),
    [
        ("published", 65_536),
        ("published", 600),
        ("published", 8_000_000),
        ("uncommitted", 65_536),
        ("unfinished", 0),
        ("unanswered", 0),
        ("headers", TOO_MANY_HEADERS),
        ("early", 600),
        ("broken", MAX_HEADERS),
    ],
)
async def test_citizens_are_answered_while_a_login_floods(
    county: MunicipalHarness, usual: float, way: str, size: int
) -> None:
    async with county.flood_broker(way, size) as seen:
        taken = await measure_beside_flood(county, usual)
    if way in CUT or size == TOO_MANY_HEADERS:
        assert seen["cut"] > 0
    elif size <= MAX_BODY_BYTES:
        assert seen["cut"] == 0, "too many notices are refused, and nobody is cut off for them"
    await wait_for(partial(has_all_its_places, county))
    await nobody_else_noticed(county, usual, taken)


async def test_broken_channels_do_not_fill_the_log(county: MunicipalHarness, usual: float) -> None:
    async with county.flood_broker("broken", SOME_HEADERS) as seen:
        taken = await measure_beside_flood(county, usual)
    assert seen["broken"] > 0
    assert seen["cut"] > 0
    assert max(county.measure_log_entries()) < MAX_BYTES_LOGGED
    await wait_for(partial(has_all_its_places, county))
    await nobody_else_noticed(county, usual, taken)


async def nobody_else_noticed(county: MunicipalHarness, usual: float, taken: float) -> None:
    assert county.read_alarms() == []
    assert await county.count_refused_webhooks() == 0
    assert taken < compute_limit(usual)


def compute_limit(usual: float) -> float:
    return max(PROMISED_SECONDS, BUSY_MACHINE * usual)


async def measure_beside_flood(county: MunicipalHarness, usual: float) -> float:
    """Within how many seconds citizens are answered; if late, once more: a flood lasts, a slow moment does not."""
    taken = await county.measure_answers(CITIZENS)
    return taken if taken < compute_limit(usual) else await county.measure_answers(CITIZENS)


async def test_citizens_are_answered_while_a_login_opens_201_connections(
    county: MunicipalHarness, usual: float
) -> None:
    places = MUNICIPAL_LIMITS["max-connections"]
    async with county.flood_broker("published", 600, connections=places):
        # What opens in the same instant may pass RabbitMQ's limit, which is meant to be cheap (rabbitmq-server#1547).
        await wait_for(partial(has_opened, county, places))
        async with county.flood_broker("published", 600, connections=STORM - places, shut_out=True) as seen:
            taken = await measure_beside_flood(county, usual)
            opened = await count_opened(county)
    await wait_for(partial(has_all_its_places, county))
    assert 0 < opened <= places
    assert seen["cut"] >= STORM - places
    await nobody_else_noticed(county, usual, taken)


@pytest.mark.usefixtures("much_was_answered")
async def test_stops_are_answered_while_one_login_floods_and_another_does_its_worst(
    county: MunicipalHarness, usual: float
) -> None:
    """The other one in two ways at once, and then in two more, before the queue has come to rest."""
    # What another flood sent too early comes again for minutes.
    for queue in (QUEUE.name, *map(QUEUE.name_retry_queue, topology.RETRY_TIERS), QUEUE.name):
        await county.purge(queue)
    for ways in (("looped", "unread"), ("published", "uncommitted")):
        async with AsyncExitStack() as floods:
            first = await floods.enter_async_context(county.flood_broker("published", 20_000))
            for way in ways:
                flood = county.flood_broker(way, 40_000, CONNECTIONS // len(ways), url=county.other_url)
                await floods.enter_async_context(flood)
            taken = await county.measure_answers(STOPS, "Stop")
        assert first["megabyte"] > 0
        await nobody_else_noticed(county, usual, taken)
    left = await county.count_messages(QUEUE.name)
    await fetch_until(lambda: county.count_messages(QUEUE.name), lambda found: found < max(left, 1), 120)
    await county.purge(QUEUE.name)  # for all of it a login that floods has to wait, others have not


async def test_headers_do_not_fill_the_disk(county: MunicipalHarness) -> None:
    files = county.stack.folder / "rabbitmq"
    before = most = measure_folder(files)
    async with county.flood_broker("headers", MAX_HEADERS) as seen:

        async def has_sent_much() -> bool:
            nonlocal most
            most = max(most, measure_folder(files))
            return seen["megabyte"] >= MUCH_MEGABYTES

        await wait_for(has_sent_much, 300)
    await wait_for(partial(has_all_its_places, county))
    assert most - before < MAX_BYTES_ON_DISK


def measure_folder(folder: Path) -> int:
    """Return how many bytes are in it, while the broker writes and deletes files and folders."""
    total = 0
    for parent, _, names in os.walk(folder):  # Path.rglob fails if a folder is deleted meanwhile
        for name in names:
            with suppress(FileNotFoundError):
                total += os.lstat(os.path.join(parent, name)).st_size
    return total


async def test_the_broker_knows_the_bounds_that_its_configuration_cannot_name(county: MunicipalHarness) -> None:
    _, *arguments = RABBIT_ARGUMENTS.split()
    for name, value in zip(arguments[::2], arguments[1::2], strict=True):
        known = await county.stack.servers.rabbitmq.run_rabbitmqctl("eval", f"application:get_env(rabbit, {name}).")
        assert known.strip() == f"{{ok,{value}}}"


async def test_what_does_not_fit_is_refused_its_publisher_hears_it_and_http_goes_on(county: MunicipalHarness) -> None:
    async with await aio_pika.connect(county.login_url) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange(topology.MUNICIPAL_EVENTS, ensure=False)
        published = [asyncio.create_task(exchange.publish(message(), "notice.published")) for _ in range(1_500)]
        assert await county.publish_over_http() < 10
        answers = await asyncio.gather(*published, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert {type(answer) for answer in refused} == {DeliveryError}


@pytest.mark.parametrize(("count", "size"), [(2_000, 2), (400, MAX_BODY_BYTES)])
async def test_what_expires_unread_is_kept_in_a_bounded_number(county: MunicipalHarness, count: int, size: int) -> None:
    await county.purge(QUEUE.name)  # what other tests left there is worked off at its own pace
    async with await aio_pika.connect(county.login_url) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange(topology.MUNICIPAL_EVENTS, ensure=False)
        taken = partial(is_taken, exchange, message(b"x" * size, expiration=0))
        for _ in range(0, count, AT_ONCE):
            await asyncio.gather(*(wait_for(taken, 120) for _ in range(AT_ONCE)))

    assert QUEUE.max_dead_letters is not None
    assert QUEUE.max_bytes is not None
    expected = min(QUEUE.max_dead_letters, QUEUE.max_bytes // size)
    await wait_until_equal(lambda: county.count_messages(QUEUE.dead_letter_queue), expected, 120)


async def test_only_so_many_connections_and_channels_are_opened(county: MunicipalHarness) -> None:
    async with everything_opened(county) as connections:
        with pytest.raises(REFUSED):
            await aio_pika.connect(county.login_url)
        with pytest.raises(Exception, match="limit"):
            await connections[0].channel()


async def test_a_login_does_not_speak_amqp_1_0(county: MunicipalHarness) -> None:
    """There a connection has thousands of links that no limit counts."""
    assert await amqp_1_0.log_in(county.login_url) == amqp_1_0.FAILED
    assert await amqp_1_0.log_in(county.stack.broker_url) == amqp_1_0.OK


@asynccontextmanager
async def everything_opened(county: MunicipalHarness) -> AsyncIterator[Sequence[AbstractConnection]]:
    """As many connections and channels as the login may have."""
    async with AsyncExitStack() as stack:
        connections = [
            await stack.enter_async_context(await aio_pika.connect(county.login_url))
            for _ in range(MUNICIPAL_LIMITS["max-connections"])
        ]
        for _ in range(MUNICIPAL_LIMITS["max-channels"]):
            await connections[0].channel()
        yield connections


async def count_opened(county: MunicipalHarness) -> int:
    connections = await county.stack.servers.rabbitmq.run_rabbitmqctl("list_connections", "user", "state")
    return sum(connections.splitlines().count(f"{LOGIN}\t{state}") for state in OPEN)


async def has_opened(county: MunicipalHarness, count: int) -> bool:
    return await count_opened(county) >= count


async def has_all_its_places(county: MunicipalHarness) -> bool:
    try:
        async with everything_opened(county):
            return True
    except Exception as problem:
        if "limit" in str(problem) or isinstance(problem, REFUSED):
            return False
        raise


async def is_taken(exchange: AbstractExchange, notice: aio_pika.Message) -> bool:
    """Return whether the queue has room for it."""
    try:
        await exchange.publish(notice, "notice.published")
    except DeliveryError:
        return False
    return True

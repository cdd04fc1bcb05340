"""One municipal login at its limits: it hears so, and nobody else notices."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import aio_pika
import pytest
from aio_pika.exceptions import DeliveryError
from aiormq.exceptions import AMQPConnectionError, InvalidFrameError

from deploy.local.rabbitmq_files import CREDIT
from shared.amqp import topology
from shared.amqp.logins import MUNICIPAL_LIMITS
from shared.contracts.envelope import CONTENT_TYPE
from tests.integration.neighbours.county import LOGIN, County, running_county
from tests.servers import wait_for

pytestmark = [pytest.mark.timeout(400), pytest.mark.alone]
PROMISED_SECONDS = 1.0
BUSY_MACHINE = 10  # times what answers take here without a flood, where a machine is too busy for the promise
QUEUE = topology.SUBSCRIPTIONS_NOTICES


@pytest.fixture(scope="module")
async def county(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[County]:
    async with running_county(tmp_path_factory.mktemp("county")) as running:
        yield running


def message(expiration: int | None = None) -> aio_pika.Message:
    persistent = aio_pika.DeliveryMode.PERSISTENT
    return aio_pika.Message(
        b"{}", user_id=LOGIN, content_type=CONTENT_TYPE, delivery_mode=persistent, expiration=expiration
    )


@pytest.mark.parametrize(("size", "megabytes"), [(65_536, 150), (600, 5), (8_000_000, 100)])
async def test_citizens_are_answered_while_a_login_floods(county: County, size: int, megabytes: int) -> None:
    usual = await county.slowest_answers(200)
    async with county.flooded(megabytes=megabytes, size=size, connections=MUNICIPAL_LIMITS["max-connections"]):
        taken = await county.slowest_answers(300)
    assert taken < max(PROMISED_SECONDS, BUSY_MACHINE * usual)
    assert await county.refused_webhooks() == 0
    assert county.alarms() == []


async def test_a_channel_takes_few_messages_ahead(county: County) -> None:
    credit = await county.stack.rabbitmq.control("eval", "application:get_env(rabbit, credit_flow_default_credit).")
    assert credit.strip() == f"{{ok,{CREDIT.split()[-1]}}}"


async def test_what_does_not_fit_is_refused_its_publisher_hears_it_and_http_goes_on(county: County) -> None:
    async with await aio_pika.connect(county.login_url) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange(topology.MUNICIPAL_EVENTS, ensure=False)
        published = [asyncio.create_task(exchange.publish(message(), "notice.published")) for _ in range(1_500)]
        assert await county.publish_over_http() < 10
        answers = await asyncio.gather(*published, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert {type(answer) for answer in refused} == {DeliveryError}


async def test_what_expires_unread_is_kept_in_a_bounded_number(county: County) -> None:
    async with await aio_pika.connect(county.login_url) as connection:
        channel = await connection.channel(publisher_confirms=False)
        exchange = await channel.get_exchange(topology.MUNICIPAL_EVENTS, ensure=False)
        for _ in range(2_000):
            await exchange.publish(message(expiration=0), "notice.published")

    async def is_empty() -> bool:
        return int((await county.queue(QUEUE.name)).get("messages", 1)) == 0

    await wait_for(is_empty, 120)
    assert QUEUE.max_dead is not None
    assert (await county.queue(QUEUE.dead))["messages"] <= QUEUE.max_dead


async def test_only_so_many_connections_and_channels_are_opened(county: County) -> None:
    connections = [await aio_pika.connect(county.login_url) for _ in range(MUNICIPAL_LIMITS["max-connections"])]
    try:
        with pytest.raises((AMQPConnectionError, InvalidFrameError)):  # what the library makes of a refusal
            await aio_pika.connect(county.login_url)
        for _ in range(MUNICIPAL_LIMITS["max-channels"]):
            await connections[0].channel()
        with pytest.raises(Exception, match="limit"):
            await connections[0].channel()
    finally:
        for connection in connections:
            await connection.close()
    await wait_for(partial(can_connect, county))


async def can_connect(county: County) -> bool:
    try:
        connection = await aio_pika.connect(county.login_url)
    except (AMQPConnectionError, InvalidFrameError):
        return False
    await connection.close()
    return True

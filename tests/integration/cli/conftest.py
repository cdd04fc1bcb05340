"""A real ledger, with a broadcast in which recipients are everywhere, and a notices API with a responder behind it."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta

import aio_pika
import pytest

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.rate_limiter import PostgresRateLimiter
from services.dispatcher.domain.claims import Claim
from services.dispatcher.domain.send_results import Record
from services.dispatcher.domain.states import DeliveryState
from shared.amqp import topology
from shared.contracts.dispatch import BroadcastBatch
from shared.database.pool import Database as Pool
from tests.databases import FreshDatabase
from tests.harness.ingress_queues import open_queues
from tests.harness.notices_api import NoticesApi, run_notices_api
from tests.harness.service_login import service_login
from tests.integration.cli.notice_responder import NoticeResponder, open_notice_responder
from tests.integration.cli.quarantine_harness import QuarantineHarness
from tests.integration.dispatcher.conftest import NUMBER
from tests.integration.dispatcher.factories import (
    build_batch,
    build_batch_message,
    build_record,
    build_update,
    generate_subscribers,
)
from tests.servers import Servers


@pytest.fixture
def environment(database: FreshDatabase) -> Mapping[str, str]:
    """The operator's."""
    return {"KREISFUNK_DATABASE_URL": database.build_role_url("kreisfunk_operator")}


@pytest.fixture
async def pool(database: FreshDatabase) -> AsyncIterator[Pool]:
    async with database.open_pool("kreisfunk_dispatcher", size=4) as pool:
        yield pool


@pytest.fixture
async def subscriptions_pool(database: FreshDatabase) -> AsyncIterator[Pool]:
    async with database.open_pool("kreisfunk_subscriptions", size=20) as pool:
        yield pool


@pytest.fixture
async def ledger(pool: Pool) -> PostgresLedger:
    ledger = PostgresLedger(pool, number=NUMBER, slot=3)
    await ledger.ensure_partitions()
    await PostgresRateLimiter(pool, number=NUMBER, limit=76, people_a_day=250).set_up()
    return ledger


@pytest.fixture
async def mixed(ledger: PostgresLedger) -> tuple[BroadcastBatch, list[Claim]]:
    """Ten recipients: 2 delivered, 1 accepted, 2 failed, 1 unknown, 2 waiting, 1 at Meta, 1 not yet claimed."""
    message = build_batch_message(generate_subscribers(10))
    batch = build_batch(message)
    await ledger.register(message, batch.content)
    claims = await ledger.claim_batch(batch, 9)
    due = datetime.now(UTC) + timedelta(hours=1)
    await ledger.record(
        [
            *(build_record(claim, DeliveryState.ACCEPTED) for claim in claims[:3]),
            Record(claims[3].delivery, 1, DeliveryState.FAILED, error_code=131026),
            Record(claims[4].delivery, 1, DeliveryState.FAILED, error_code=99999),
            build_record(claims[5], DeliveryState.UNKNOWN),
            Record(claims[6].delivery, 1, DeliveryState.WAITING, due_at=due, waits_for="pair"),
            build_record(claims[7], DeliveryState.WAITING),
        ]
    )
    await ledger.apply_statuses([build_update(claim.delivery, DeliveryState.DELIVERED) for claim in claims[:2]])
    return message, claims


@pytest.fixture(scope="module")
async def module_ward(servers: Servers, vhost: str) -> AsyncIterator[QuarantineHarness]:
    async with (
        open_queues(vhost) as queues,
        await aio_pika.connect(vhost) as connection,
        service_login(servers, vhost, "quarantine") as login_url,
    ):
        yield QuarantineHarness(channel=await connection.channel(), queues=queues, login_url=login_url)


@pytest.fixture
async def ward(module_ward: QuarantineHarness) -> QuarantineHarness:
    await module_ward.queues.purge()
    return module_ward


@pytest.fixture(scope="module")
async def broker_url(servers: Servers, vhost: str) -> AsyncIterator[str]:
    async with service_login(servers, vhost, "notices") as url:
        yield url


@pytest.fixture(scope="module")
async def api(broker_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NoticesApi]:
    async with run_notices_api(broker_url, tmp_path_factory.mktemp("notices")) as running:
        yield running


@pytest.fixture(scope="module")
async def subscriptions_url(servers: Servers, vhost: str) -> AsyncIterator[str]:
    async with service_login(servers, vhost, "subscriptions") as url:
        yield url


@pytest.fixture
async def responder(vhost: str, subscriptions_url: str) -> AsyncIterator[NoticeResponder]:
    async with await aio_pika.connect(vhost) as connection:
        channel = await connection.channel()
        await (await channel.get_queue(topology.SUBSCRIPTIONS_API_NOTICES.name, ensure=False)).purge()
    async with open_notice_responder(subscriptions_url) as responder:
        yield responder

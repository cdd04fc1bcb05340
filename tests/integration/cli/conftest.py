"""A real ledger, with a broadcast in which recipients are everywhere."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import aio_pika
import pytest

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.rate_limiter import Limits, PostgresLimiter
from services.dispatcher.domain.answers import Record
from services.dispatcher.domain.states import State
from services.dispatcher.ports import Claim
from shared.contracts.dispatch import BroadcastBatch
from shared.database.pool import Database as Pool
from shared.database.pool import open_database
from tests.databases import Database
from tests.integration.cli.desk import let_log_in
from tests.integration.cli.kept_webhooks import Ward
from tests.integration.dispatcher.conftest import NUMBER
from tests.integration.dispatcher.material import batch_message, in_hand, news, result, subscribers
from tests.integration.ingress.queues import open_queues
from tests.servers import Servers


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    async with open_database(database.url_as("kreisfunk_dispatcher"), password=None, name="test", size=4) as pool:
        yield pool


@pytest.fixture
async def ledger(pool: Pool) -> PostgresLedger:
    ledger = PostgresLedger(pool, number=NUMBER, slot=3)
    await ledger.ensure_partitions()
    await PostgresLimiter(pool, number=NUMBER, limits=Limits(76, people_a_day=250)).set_up()
    return ledger


@pytest.fixture
async def mixed(ledger: PostgresLedger) -> tuple[BroadcastBatch, list[Claim]]:
    """Ten recipients: 2 delivered, 1 accepted, 2 failed, 1 unknown, 2 waiting, 1 at Meta, 1 not yet claimed."""
    message = batch_message(subscribers(10))
    batch = in_hand(message)
    await ledger.register(message, batch.content)
    claims = await ledger.claim_batch(batch, 9)
    due = datetime.now(UTC) + timedelta(hours=1)
    await ledger.record(
        [
            *(result(claim, State.ACCEPTED) for claim in claims[:3]),
            Record(claims[3].delivery, 1, State.FAILED, error_code=131026),
            Record(claims[4].delivery, 1, State.FAILED, error_code=99999),
            result(claims[5], State.UNKNOWN),
            Record(claims[6].delivery, 1, State.WAITING, due_at=due, waits_for="pair"),
            result(claims[7], State.WAITING),
        ]
    )
    await ledger.apply_statuses([news(claim.delivery, State.DELIVERED) for claim in claims[:2]])
    return message, claims


@pytest.fixture(scope="module")
async def module_ward(servers: Servers, vhost: str) -> AsyncIterator[Ward]:
    async with open_queues(vhost) as queues, await aio_pika.connect(vhost) as connection:
        login_url = await let_log_in(servers, vhost, "quarantine")
        yield Ward(channel=await connection.channel(), queues=queues, login_url=login_url)


@pytest.fixture
async def ward(module_ward: Ward) -> Ward:
    await module_ward.queues.purge()
    return module_ward

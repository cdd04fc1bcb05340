"""Detection of waiting work on a real broker and a real ledger."""

import asyncio
from collections.abc import AsyncIterator

import aio_pika
import asyncpg
import pytest

from shared.amqp import topology
from shared.contracts.message import Lane
from tests.databases import FreshDatabase
from tests.faults.backlog import BacklogRecorder
from tests.faults.ledger_snapshot import LedgerProbes
from tests.servers import wait_for

RATE = 2


@pytest.fixture
async def watch(
    vhost: str, channel: aio_pika.abc.AbstractChannel, database: FreshDatabase
) -> AsyncIterator[BacklogRecorder]:
    watch = BacklogRecorder(vhost, LedgerProbes(database.build_role_url("kreisfunk_monitor")), RATE)
    watching = asyncio.create_task(watch.run())
    yield watch
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


async def until_said(watch: BacklogRecorder, *, waiting: bool) -> None:
    """Until a sample that is newer than this call says so."""
    before = len(watch.samples)
    await wait_for(lambda: any(sample.waiting is waiting for sample in watch.samples[before + 1 :]))


@pytest.mark.foreign_messages("a batch that nobody has to understand")
async def test_a_batch_on_a_lane_waits_unless_the_rate_is_lowered(
    watch: BacklogRecorder, channel: aio_pika.abc.AbstractChannel, owner: asyncpg.Connection
) -> None:
    await until_said(watch, waiting=False)
    exchange = await channel.get_exchange(topology.DISPATCH)
    await exchange.publish(aio_pika.Message(b"batch"), Lane.BULK)
    await until_said(watch, waiting=True)
    await owner.execute("insert into dispatcher.rate (number, per_second, ceiling) values ('1', 40, 80)")
    await until_said(watch, waiting=False)
    await owner.execute("update dispatcher.rate set per_second = ceiling")
    await until_said(watch, waiting=True)


async def test_what_is_due_in_the_ledger_waits_if_it_takes_a_second(
    watch: BacklogRecorder, owner: asyncpg.Connection
) -> None:
    await until_said(watch, waiting=False)
    for _ in range(RATE):
        await owner.execute(
            "insert into dispatcher.delivery (id, source, lane, state, address_kind, address_index, address_sealed,"
            " asked_at, expires_at, due_at, waits_for)"
            " values (gen_random_uuid(), gen_random_uuid(), 'bulk', 'waiting', 'phone', '', '', now(), now(), now(),"
            " 'again')"
        )
    await until_said(watch, waiting=True)

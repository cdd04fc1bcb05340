"""A withdrawal at the moment in which the pages of its broadcast are stored or confirmed, on a real database."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from services.subscriptions.adapters.broadcasts import PostgresBroadcastClaim
from services.subscriptions.domain.broadcast import Broadcast, BroadcastPage, build_pages
from shared.contracts.dispatch import Recipient
from shared.database.pool import Connection
from shared.outcome import Done
from tests.databases import wait_until_locked
from tests.factories.citizens import NOON
from tests.integration.subscriptions.harness import SubscriptionsHarness, subscribe_many
from tests.integration.subscriptions.notice_factory import publish, withdraw

SUBSCRIBERS = 150
PAGES = "select page from subscriptions.pending_page order by page"
BROADCASTS = "select state, read_to_end from subscriptions.broadcast"


def prepare(broadcast: Broadcast, recipients: Sequence[Recipient]) -> tuple[BroadcastPage, ...]:
    return build_pages(broadcast, recipients, more=False, now=NOON)


async def claim(harness: SubscriptionsHarness, connection: Connection) -> PostgresBroadcastClaim:
    ((broadcast,),) = await harness.fetch_rows("select id from subscriptions.broadcast")
    assert isinstance(broadcast, UUID)
    return PostgresBroadcastClaim(connection, broadcast)


async def test_pages_that_are_just_being_stored_are_dropped_by_a_withdrawal(
    harness: SubscriptionsHarness, other: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    await subscribe_many(owner, SUBSCRIBERS)
    await publish(harness)
    async with harness.database.session() as connection:
        claimed = await claim(harness, connection)
        async with connection.transaction():
            assert len(await claimed.prepare_next_pages(2, prepare)) == 2
            withdrawal = asyncio.create_task(withdraw(other))
            await wait_until_locked(harness.database)
    assert await withdrawal == Done()
    assert await harness.fetch_rows(PAGES) == []
    assert await harness.fetch_rows(BROADCASTS) == [("cancelled", False)]


async def test_whoever_confirms_a_page_waits_for_a_withdrawal_before_the_page_is_locked(
    harness: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    """A withdrawal drops pages once it has its broadcast: the other way round both would wait for ever."""
    await subscribe_many(owner, SUBSCRIBERS)
    await publish(harness)
    async with harness.database.session() as connection:
        claimed = await claim(harness, connection)
        await claimed.prepare_next_pages(2, prepare)
        async with harness.database.transaction() as withdrawing:
            await withdrawing.execute("select from subscriptions.broadcast for update")
            confirming = asyncio.create_task(claimed.mark_published([0]))
            await wait_until_locked(harness.database)
            dropped = await withdrawing.fetch("delete from subscriptions.pending_page returning page")
            assert sorted(row["page"] for row in dropped) == [0, 1]
        await confirming

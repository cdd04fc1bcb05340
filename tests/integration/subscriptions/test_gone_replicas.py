"""Claims of a replica whose machine is gone or frozen: another replica takes them over within seconds."""

from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from services.subscriptions.adapters.broadcasts import PostgresBroadcastRepository
from shared.contracts.events import BroadcastStarted
from shared.database.pool import Database as Pool
from shared.database.pool import DatabaseUnavailable, open_database
from shared.outcome import DependencyUnavailable
from tests.databases import FreshDatabase
from tests.factories.citizens import NOON
from tests.integration.subscriptions.harness import ROLE, SubscriptionsHarness
from tests.integration.subscriptions.notice_factory import publish
from tests.proxy import NetworkConditions, run_proxy_to
from tests.servers import wait_for

TAKEN_OVER_SECONDS = 30.0


async def test_another_one_goes_on_with_its_broadcast(
    harness: SubscriptionsHarness, pool: Pool, database: FreshDatabase
) -> None:
    await publish(harness)

    async def is_claimed_by_another() -> bool:
        async with PostgresBroadcastRepository(pool).claim() as claim:
            return claim is not None

    async with (
        run_proxy_to(database.build_role_url(ROLE)) as (proxy, url),
        open_database(url, password=None, name="gone", size=1) as gone,
    ):
        async with AsyncExitStack() as holding:
            assert await holding.enter_async_context(PostgresBroadcastRepository(gone).claim()) is not None
            proxy.set_conditions(NetworkConditions(blackhole=True))
            assert not await is_claimed_by_another()
            claims = holding.pop_all()
        await wait_for(is_claimed_by_another, TAKEN_OVER_SECONDS)
        proxy.cut()
        with pytest.raises(DatabaseUnavailable):
            await claims.aclose()


async def test_a_session_that_has_ended_well_may_be_idle_as_long_as_it_likes(pool: Pool) -> None:
    async with pool.session() as connection:
        timeout = await connection.fetchval("show idle_session_timeout")
    async with pool.connection() as connection:
        assert (timeout, await connection.fetchval("show idle_session_timeout")) == ("10s", "0")


async def test_a_scheduled_one_that_cannot_begin_holds_back_no_later_one(harness: SubscriptionsHarness) -> None:
    for number in range(2):
        moment = (NOON + timedelta(hours=1, minutes=number)).isoformat()
        await publish(harness, event_id=f"{number}", notice=f"{number}", scheduled_at=moment)
    harness.now = NOON + timedelta(hours=2)
    harness.publisher.refuse = lambda publication: b'"notice":"0"' in publication.body
    harness.parts.expander.work_available.clear()
    with pytest.raises(DependencyUnavailable):
        await harness.parts.expander.start_due()
    assert [started.notice for started in harness.publisher.list_messages(BroadcastStarted)] == ["1"]
    assert harness.parts.expander.work_available.is_set()

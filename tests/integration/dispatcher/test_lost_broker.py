"""A dispatcher that alone has lost the broker leaves to the others what has to be published."""

import time

import asyncpg

from tests.integration.dispatcher.endpoint_harness import EndpointHarness, wait_until_moment
from tests.integration.dispatcher.test_recipients import BROADCAST, BROADCAST_ROW
from tests.proxy import UNDISTURBED_NETWORK, NetworkConditions, run_proxy_to
from tests.servers import wait_until_equal

TOLD = "select progress is not null from dispatcher.broadcast"


async def test_progress_that_it_cannot_publish_is_not_taken_from_others(
    harness: EndpointHarness, owner: asyncpg.Connection
) -> None:
    """Whoever takes progress marks it as published for a minute."""
    async with run_proxy_to(harness.broker_url) as (proxy, url):
        (dispatcher,) = await harness.start(broker_url=url)
        proxy.set_conditions(NetworkConditions(refuse=True))
        await wait_until_equal(lambda: harness.fetch_readiness(dispatcher), 503)
        await owner.execute(BROADCAST_ROW, BROADCAST)
        await wait_until_moment(time.monotonic() + 3)
        assert not await owner.fetchval(TOLD)
        proxy.set_conditions(UNDISTURBED_NETWORK)
        await harness.wait_for_value(TOLD)

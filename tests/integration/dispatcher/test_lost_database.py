"""A dispatcher that alone has lost its database keeps nothing that others could handle."""

import asyncio

import pytest

from shared.amqp import topology
from shared.contracts.events import SubscriptionEnded
from shared.contracts.message import Lane
from shared.runtime.clock import system_clock
from tests.integration.dispatcher.endpoint_harness import ROLE, EndpointHarness
from tests.proxy import UNDISTURBED_NETWORK, NetworkConditions, run_proxy_to
from tests.servers import wait_until_equal

COUNT = 20  # of each kind: a replica gets every second one
QUEUES = (topology.LANES[Lane.REPLY], topology.DISPATCHER_STATUSES, topology.DISPATCHER_SUPPRESSIONS)
TROUBLES = {"refused": NetworkConditions(refuse=True), "silent": NetworkConditions(blackhole=True)}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
async def test_replies_stops_and_statuses_go_to_replicas_that_reach_the_database(
    harness: EndpointHarness, trouble: NetworkConditions
) -> None:
    async with run_proxy_to(harness.database.build_role_url(ROLE)) as (proxy, url):
        await harness.start(database_url=url)
        await harness.start()
        source = await harness.publish_broadcast(harness.build_citizens(COUNT))
        await harness.wait_for_states({"accepted": COUNT}, source)
        proxy.set_conditions(trouble)

        citizens, now = harness.build_citizens(COUNT), system_clock()
        ended = [SubscriptionEnded(subscriber=one.subscriber, sequence=1, at=now) for one in citizens]
        await asyncio.gather(
            *(harness.publish_statuses([request]) for request in harness.endpoint.accepted),
            *(harness.send(one, topology.EVENTS, SubscriptionEnded.KEY) for one in ended),
            *(harness.request_reply(one, "Guten Tag") for one in citizens),
        )
        await harness.wait_for_accepted(2 * COUNT)
        await harness.wait_for_states({"delivered": COUNT}, source)
        await harness.wait_for_value("select count(*) from dispatcher.suppression", value=COUNT)
        assert await count_consumers(harness) == {1}

        proxy.set_conditions(UNDISTURBED_NETWORK)
        await wait_until_equal(lambda: count_consumers(harness), {2})
        for one in citizens:
            await harness.request_reply(one, "Guten Tag")
        await harness.wait_for_accepted(3 * COUNT)


async def count_consumers(harness: EndpointHarness) -> set[int]:
    return {await harness.count_consumers(queue.name) for queue in QUEUES}

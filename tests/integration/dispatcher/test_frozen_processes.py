"""A dispatcher that stands still for seconds stops nobody else, and does nothing wrong when it goes on."""

import asyncio
import time
from signal import SIGCONT, SIGSTOP
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from deploy.local.ports import LOOPBACK
from shared.amqp import topology
from shared.contracts.events import SubscriptionEnded
from shared.runtime.clock import system_clock
from tests.integration.dispatcher.endpoint_harness import (
    RATE,
    ROLE,
    EndpointHarness,
    send_signal,
    wait_until_moment,
)
from tests.proxy import UNDISTURBED_NETWORK, NetworkConditions, replace_port, run_proxy

FROZEN_SECONDS = 14.0
LASTING_SECONDS = 30  # longer than FROZEN_SECONDS
RECOVERED_SECONDS = 4.0
SHARE_OF_THE_OTHERS = 0.85
STOP_SECONDS = 2.0
ROUNDS = 4


@pytest.mark.alone
@pytest.mark.timeout(300)
async def test_a_frozen_replica_does_not_stop_the_others(
    harness: EndpointHarness, second_harness: EndpointHarness
) -> None:
    """Two counties at once, each with replicas of its own, one of them frozen at any moment.

    Claims, results and statuses are single statements, whose transactions end without their client.
    """
    async with asyncio.TaskGroup() as both:
        # With a limit of people, claims are made under the lock of the number's row.
        both.create_task(assert_others_go_on(harness, people_per_day=1_000_000))
        both.create_task(assert_others_go_on(second_harness))


async def assert_others_go_on(harness: EndpointHarness, **limits: int) -> None:
    """Freeze one of three."""
    count = int(RATE * LASTING_SECONDS)
    # What the frozen replica has in hand of the statuses is no proof of absence: the grace time has to be longer.
    limits["unknown_grace_seconds"] = 2 * int(FROZEN_SECONDS)
    database = harness.database
    async with run_proxy([urlsplit(database.url).port or 0]) as slow, harness.report_deliveries():
        # On a slow way to the database most of its time passes in statements.
        slow.set_conditions(NetworkConditions(latency_seconds=0.01))
        (frozen,) = await harness.start(database_url=replace_port(database.build_role_url(ROLE), slow.port), **limits)
        await harness.start(2, **limits)
        broadcasting = asyncio.create_task(harness.publish_broadcast(harness.build_citizens(count)))
        try:
            await harness.wait_for_requests(100)
            pid = frozen.pid
            send_signal(frozen, SIGSTOP)
            since = time.monotonic()
            start, end = since + RECOVERED_SECONDS, since + FROZEN_SECONDS
            await wait_until_moment(start)
            before = (await harness.count_states()).get("delivered", 0)
            await wait_until_moment(end)
            known = (await harness.count_states()).get("delivered", 0) - before
            sent = harness.endpoint.count_requests(start, end)
            send_signal(frozen, SIGCONT)
            assert sent >= SHARE_OF_THE_OTHERS * RATE * (end - start)
            assert known > 0, "no status was applied meanwhile"
            # The rest need not take as long.
            await harness.owner.execute("update dispatcher.rate set ceiling = 5 * ceiling, per_second = 5 * per_second")
            await broadcasting
            # Claims whose answer the frozen replica lost are sent after the grace time.
            await harness.wait_for_accepted(count, 180)
            assert frozen.pid == pid
        finally:
            broadcasting.cancel()


async def claimed_subscribers(harness: EndpointHarness) -> list[UUID]:
    rows = await harness.owner.fetch("select subscriber from dispatcher.delivery where state = 'claimed'")
    return [row["subscriber"] for row in rows]


async def stop(harness: EndpointHarness, subscribers: list[UUID]) -> None:
    """Publish the end of these subscriptions."""
    now = system_clock()
    ended = [SubscriptionEnded(subscriber=subscriber, sequence=1, at=now) for subscriber in subscribers]
    await asyncio.gather(*(harness.send(one, topology.EVENTS, SubscriptionEnded.KEY) for one in ended))


async def suppressed(harness: EndpointHarness, count: int) -> None:
    """Wait until the ledger has that many stops."""
    await harness.wait_for_value("select count(*) >= $1 from dispatcher.suppression", count)


async def stopped_too_late(harness: EndpointHarness) -> list[float]:
    """Return how many seconds after a committed "Stop" messages arrived at Meta, of those that should not have."""
    rows = await harness.owner.fetch(
        "select d.id, extract(epoch from s.suppressed_at)::float8 as at"
        " from dispatcher.delivery d join dispatcher.suppression s using (subscriber)"
    )
    stopped = {row["id"]: row["at"] for row in rows}
    after = [
        request.wall - stopped[request.delivery] for request in harness.endpoint.requests if request.delivery in stopped
    ]
    return [seconds for seconds in after if seconds > STOP_SECONDS]


async def test_what_was_stopped_while_a_replica_stood_still_does_not_leave_afterwards(harness: EndpointHarness) -> None:
    frozen = (await harness.start(3, rate=200))[:2]
    broadcasting = asyncio.create_task(harness.publish_broadcast(harness.build_citizens(8000)))
    try:
        await harness.wait_for_requests(100)
        for _ in range(ROUNDS):
            for dispatcher in frozen:
                send_signal(dispatcher, SIGSTOP)
            since = time.monotonic()
            # What the third one had in hand has left by then.
            await harness.wait_for_requests(len(harness.endpoint.requests) + 60)
            await stop(harness, await claimed_subscribers(harness))
            await wait_until_moment(since + 3.5)
            for dispatcher in frozen:
                send_signal(dispatcher, SIGCONT)
            await wait_until_moment(since + 5.0)
        await suppressed(harness, ROUNDS)
        assert await stopped_too_late(harness) == []
        harness.assert_none_twice()
    finally:
        broadcasting.cancel()


async def test_nothing_leaves_after_a_stop_on_a_connection_that_took_seconds(harness: EndpointHarness) -> None:
    async with run_proxy([harness.endpoint.port]) as proxy:
        graph_url = f"http://{LOOPBACK}:{proxy.port}"
        await harness.start(2, rate=100, request_timeout_seconds=20, graph_url=graph_url)
        proxy.set_conditions(NetworkConditions(lost_syn_seconds=60.0))
        citizens = harness.build_citizens(150)
        await harness.publish_broadcast(citizens)

        await harness.wait_for_value("select count(*) >= 50 from dispatcher.delivery where state = 'claimed'")
        since = time.monotonic()
        await stop(harness, [citizen.subscriber for citizen in citizens])
        await suppressed(harness, len(citizens))
        await wait_until_moment(since + 2.0)
        proxy.set_conditions(UNDISTURBED_NETWORK)
        await wait_until_moment(time.monotonic() + 8)
    assert await stopped_too_late(harness) == []

"""A dispatcher that stands still for seconds stops nobody else, and does nothing wrong when it goes on."""

import asyncio
import time
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from shared.amqp import topology
from shared.contracts.events import SubscriptionEnded
from shared.runtime.clock import system_clock
from tests.integration.dispatcher.endpoint_harness import (
    RATE,
    ROLE,
    EndpointHarness,
    freeze,
    replace_port,
    unfreeze,
    wait_until_moment,
)
from tests.proxy import NetworkConditions, run_proxy

FROZEN_SECONDS = 14.0
LASTING_SECONDS = 30  # longer than FROZEN_SECONDS
RECOVERED_SECONDS = 4.0
SHARE_OF_THE_OTHERS = 0.85
STOP_SECONDS = 2.0
ROUNDS = 4


@pytest.mark.alone
@pytest.mark.timeout(300)
async def test_a_frozen_replica_does_not_stop_the_others(rig: EndpointHarness, second_rig: EndpointHarness) -> None:
    """Two counties at once, each with replicas of its own, one of them frozen at any moment.

    Claims, results and statuses are single statements, whose transactions end without their client.
    """
    async with asyncio.TaskGroup() as both:
        # With a limit of people, claims are made under the lock of the number's row.
        both.create_task(assert_others_go_on(rig, people_per_day=1_000_000))
        both.create_task(assert_others_go_on(second_rig))


async def assert_others_go_on(rig: EndpointHarness, **limits: int) -> None:
    """Freeze one of three."""
    count = int(RATE * LASTING_SECONDS)
    # What the frozen replica has in hand of the statuses is no proof of absence: the grace time has to be longer.
    limits["unknown_grace_seconds"] = 2 * int(FROZEN_SECONDS)
    database = rig.database
    async with run_proxy([urlsplit(database.url).port or 0]) as slow, rig.report_deliveries():
        # On a slow way to the database most of its time passes in statements.
        slow.set_conditions(NetworkConditions(latency_seconds=0.01))
        (frozen,) = await rig.start(database_url=replace_port(database.build_role_url(ROLE), slow.port), **limits)
        await rig.start(2, **limits)
        broadcasting = asyncio.create_task(rig.publish_broadcast(rig.build_citizens(count)))
        try:
            await rig.wait_for_requests(100)
            pid = frozen.pid
            freeze(frozen)
            since = time.monotonic()
            start, end = since + RECOVERED_SECONDS, since + FROZEN_SECONDS
            await wait_until_moment(start)
            before = (await rig.count_states()).get("delivered", 0)
            await wait_until_moment(end)
            known = (await rig.count_states()).get("delivered", 0) - before
            sent = rig.endpoint.count_requests(start, end)
            unfreeze(frozen)
            assert sent >= SHARE_OF_THE_OTHERS * RATE * (end - start)
            assert known > 0, "no status was applied meanwhile"
            # The rest need not take as long.
            await rig.books.execute("update dispatcher.rate set ceiling = 5 * ceiling, per_second = 5 * per_second")
            await broadcasting
            # Claims whose answer the frozen replica lost are sent after the grace time.
            await rig.wait_for_accepted(count, 180)
            assert frozen.pid == pid
        finally:
            broadcasting.cancel()


async def claimed_subscribers(rig: EndpointHarness) -> list[UUID]:
    rows = await rig.books.fetch("select subscriber from dispatcher.delivery where state = 'claimed'")
    return [row["subscriber"] for row in rows]


async def stop(rig: EndpointHarness, subscribers: list[UUID]) -> None:
    """Publish the end of these subscriptions."""
    now = system_clock()
    ended = [SubscriptionEnded(subscriber=subscriber, sequence=1, at=now) for subscriber in subscribers]
    await asyncio.gather(*(rig.send(one, topology.EVENTS, SubscriptionEnded.KEY) for one in ended))


async def suppressed(rig: EndpointHarness, count: int) -> None:
    """Wait until the ledger has that many stops."""
    await rig.wait_for_value("select count(*) >= $1 from dispatcher.suppression", count)


async def stopped_too_late(rig: EndpointHarness) -> list[float]:
    """How many seconds after a committed "Stop" messages arrived at Meta, of those that should not have."""
    rows = await rig.books.fetch(
        "select d.id, extract(epoch from s.suppressed_at)::float8 as at"
        " from dispatcher.delivery d join dispatcher.suppression s using (subscriber)"
    )
    stopped = {row["id"]: row["at"] for row in rows}
    after = [
        request.wall - stopped[request.delivery] for request in rig.endpoint.requests if request.delivery in stopped
    ]
    return [seconds for seconds in after if seconds > STOP_SECONDS]


async def test_what_was_stopped_while_a_replica_stood_still_does_not_leave_afterwards(rig: EndpointHarness) -> None:
    frozen = (await rig.start(3, rate=200))[:2]
    broadcasting = asyncio.create_task(rig.publish_broadcast(rig.build_citizens(8000)))
    try:
        await rig.wait_for_requests(100)
        for _ in range(ROUNDS):
            for dispatcher in frozen:
                freeze(dispatcher)
            since = time.monotonic()
            # What the third one had in hand has left by then.
            await rig.wait_for_requests(len(rig.endpoint.requests) + 60)
            await stop(rig, await claimed_subscribers(rig))
            await wait_until_moment(since + 3.5)
            for dispatcher in frozen:
                unfreeze(dispatcher)
            await wait_until_moment(since + 5.0)
        await suppressed(rig, ROUNDS)
        assert await stopped_too_late(rig) == []
        rig.assert_none_twice()
    finally:
        broadcasting.cancel()


async def test_nothing_leaves_after_a_stop_on_a_connection_that_took_seconds(rig: EndpointHarness) -> None:
    await rig.start(2, rate=100, request_timeout_seconds=20)
    rig.endpoint.drop_first_packets()
    citizens = rig.build_citizens(150)
    await rig.publish_broadcast(citizens)

    await rig.wait_for_value("select count(*) >= 50 from dispatcher.delivery where state = 'claimed'")
    since = time.monotonic()
    await stop(rig, [citizen.subscriber for citizen in citizens])
    await suppressed(rig, len(citizens))
    await wait_until_moment(since + 2.0)
    rig.endpoint.open()
    await wait_until_moment(time.monotonic() + 8)
    assert await stopped_too_late(rig) == []

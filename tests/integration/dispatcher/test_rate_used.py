"""What must not cost rate: requests without an answer, a backup, people who wait for tomorrow."""

import time
from datetime import UTC, datetime, timedelta
from random import Random

import asyncpg
import pytest

from tests.databases import FreshDatabase
from tests.integration.dispatcher.dispatch_client import wait_until
from tests.integration.dispatcher.endpoint_harness import MAX_DISPATCHERS, RATE, EndpointHarness, wait_until_moment
from tests.integration.dispatcher.fake_graph_api import GraphAnswer, SendRequest, build_refusal

SETTLING_SECONDS = 2.0
MEASURED_SECONDS = 15.0
SHARE_USED = 0.97
UNANSWERED_OF = 100
RESERVED = "kreisfunk_dispatcher_send_slots_reserved_total"
LOST = "kreisfunk_dispatcher_send_slots_unused_total"
BOUND = "kreisfunk_dispatcher_send_bound_by"
BACKUP_SECONDS = 8.0
MOST_OF_BACKUP_SECONDS = 3.0


@pytest.mark.alone
async def test_requests_that_are_never_answered_cost_no_rate(endpoint_rig: EndpointHarness) -> None:
    """With the usual timeout, so that the longer it lasts, the more of them there are."""

    def behave(request: SendRequest) -> GraphAnswer | None:
        return None if request.number % UNANSWERED_OF == UNANSWERED_OF // 2 else GraphAnswer()

    endpoint_rig.endpoint.behave = behave
    (dispatcher,) = await endpoint_rig.start(request_timeout_seconds=20)
    await endpoint_rig.client.publish_broadcast(endpoint_rig.build_citizens(int(RATE * 20)))
    await endpoint_rig.wait_for_requests(1)
    start = endpoint_rig.endpoint.requests[0].at + SETTLING_SECONDS
    await wait_until_moment(start)
    late_before = await endpoint_rig.fetch_metric(dispatcher, LOST, reason="late")
    await wait_until_moment(start + MEASURED_SECONDS)
    used = endpoint_rig.endpoint.count_requests(start, start + MEASURED_SECONDS)
    # What a busy machine loses is not what the missing answers cost.
    late = await endpoint_rig.fetch_metric(dispatcher, LOST, reason="late") - late_before
    assert used + late >= SHARE_USED * RATE * MEASURED_SECONDS
    endpoint_rig.assert_none_twice()


@pytest.mark.alone
async def test_no_more_requests_are_in_flight_than_permitted_and_slots_that_they_hold_are_left_to_others(
    endpoint_rig: EndpointHarness,
) -> None:
    """Requests bound this replica at half of the rate; at last Meta answers no more."""
    permitted, answered, seconds = 20, 400, 0.5

    def behave(request: SendRequest) -> GraphAnswer | None:
        return GraphAnswer(after=seconds) if request.number < answered else None

    endpoint_rig.endpoint.behave = behave
    (dispatcher,) = await endpoint_rig.start(connections=permitted, request_timeout_seconds=60)
    await endpoint_rig.client.publish_broadcast(endpoint_rig.build_citizens(600))

    async def all_are_in_flight() -> bool:
        bound = await endpoint_rig.fetch_metric(dispatcher, BOUND, kreisfunk_dispatcher_send_bound_by="requests")
        return len(endpoint_rig.endpoint.requests) >= answered + permitted and bound == 1

    await wait_until(all_are_in_flight, endpoint_rig.describe)
    requests = endpoint_rig.endpoint.requests
    assert len(requests) == answered + permitted
    for earlier, later in zip(requests[:answered], requests[permitted:], strict=True):
        assert later.at >= earlier.at + seconds
    unused = await endpoint_rig.fetch_metric(dispatcher, LOST, reason="requests")
    # At last, as many slots as requests were expected to end are planned for nobody.
    assert unused <= answered / 20 + permitted


@pytest.mark.alone
async def test_answers_that_take_longer_and_shorter_cost_no_slots(endpoint_rig: EndpointHarness) -> None:
    """As many requests as permitted are in flight all the time; slots that find no room are lost for all replicas."""
    seconds = Random(7)

    def behave(_request: SendRequest) -> GraphAnswer:
        return GraphAnswer(after=seconds.gauss(0.6, 0.1))

    endpoint_rig.endpoint.behave = behave
    (dispatcher,) = await endpoint_rig.start(rate=1000, connections=200, request_timeout_seconds=60)
    await endpoint_rig.client.publish_broadcast(endpoint_rig.build_citizens(2_000))
    await endpoint_rig.wait_for_accepted(2_000)
    lost = [await endpoint_rig.fetch_metric(dispatcher, LOST, reason=reason) for reason in ("requests", "nothing")]
    assert sum(lost) <= 2_000 / 4


@pytest.mark.alone
async def test_replicas_that_all_see_one_due_retry_reserve_hardly_more_slots_than_it_needs(
    endpoint_rig: EndpointHarness,
) -> None:
    """Slots that nobody uses are lost for everybody."""
    refused: set[str] = set()

    def refuse_once(request: SendRequest) -> GraphAnswer:
        again = request.recipient in refused
        refused.add(request.recipient)
        return GraphAnswer() if again else build_refusal(131016, 503)

    endpoint_rig.endpoint.behave = refuse_once
    dispatchers = await endpoint_rig.start(MAX_DISPATCHERS)
    totals: dict[str, float] = {}

    async def count(name: str) -> float:
        return sum([await endpoint_rig.fetch_metric(one, name) for one in dispatchers])

    async def no_slot_is_open() -> bool:
        totals["unused"] = await count(LOST)
        return await count(RESERVED) == totals["unused"] + len(endpoint_rig.endpoint.requests)

    for number in range(1, 6):
        await endpoint_rig.client.publish_broadcast(endpoint_rig.build_citizens(1))
        await endpoint_rig.wait_for_requests(2 * number - 1)
        await wait_until(no_slot_is_open, endpoint_rig.describe)
        before = totals["unused"]
        await endpoint_rig.wait_for_accepted(number)
        await wait_until(no_slot_is_open, endpoint_rig.describe)
        # A replica may look twice before the one that sends it has claimed it.
        assert totals["unused"] - before <= 2 * (MAX_DISPATCHERS - 1)


async def add_week(database: FreshDatabase, days_ago: int) -> str:
    """Add a week of the ledger that is due to be dropped, and return its name."""
    day = datetime.now(UTC) - timedelta(days=days_ago)
    monday = (day - timedelta(days=day.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    name = f"delivery_{monday:%Y%m%d}"
    owner = await asyncpg.connect(database.url)
    try:
        low, high = [
            await owner.fetchval("select dispatcher.lowest_id($1)", moment)
            for moment in (monday, monday + timedelta(days=7))
        ]
        await owner.execute(
            f"create table dispatcher.{name} partition of dispatcher.delivery for values from ('{low}') to ('{high}')"
        )
    finally:
        await owner.close()
    return name


async def test_a_backup_while_a_week_is_due_to_be_dropped_stops_no_sending(
    endpoint_rig: EndpointHarness, database: FreshDatabase
) -> None:
    week = await add_week(database, 200)
    backup = await asyncpg.connect(database.url)
    copying = backup.transaction()
    await copying.start()
    await backup.execute("lock table dispatcher.delivery in access share mode")
    try:
        await endpoint_rig.start()
        start = time.monotonic()
        await endpoint_rig.client.publish_broadcast(endpoint_rig.build_citizens(int(RATE * (BACKUP_SECONDS + 2))))
        await endpoint_rig.wait_for_requests(1)
        await wait_until_moment(start + BACKUP_SECONDS)
        assert endpoint_rig.endpoint.measure_longest_gap(start, start + BACKUP_SECONDS) < MOST_OF_BACKUP_SECONDS
    finally:
        await copying.rollback()
        await backup.close()

    async def dropped() -> bool:
        return await endpoint_rig.client.books.fetchval("select to_regclass($1) is null", f"dispatcher.{week}") is True

    await endpoint_rig.start()  # which looks for it at once, the other one in the course of a minute
    await wait_until(dropped, endpoint_rig.describe, 100)


@pytest.mark.alone
async def test_people_who_wait_for_tomorrow_are_not_in_the_way_of_a_retry(endpoint_rig: EndpointHarness) -> None:
    (fast,) = await endpoint_rig.start(rate=1000, people_per_day=100)
    reached = endpoint_rig.build_citizens(100)
    await endpoint_rig.client.publish_broadcast(reached)
    await endpoint_rig.wait_for_accepted(100)
    await endpoint_rig.client.publish_broadcast(endpoint_rig.build_citizens(20_000))

    async def all_wait() -> bool:
        return (await endpoint_rig.count_states()).get("waiting", 0) == 20_000

    await wait_until(all_wait, endpoint_rig.describe)
    await fast.stop()
    # A minute later they may all be looked at again.
    await endpoint_rig.client.books.execute("update dispatcher.delivery set due_at = due_at - interval '1 minute'")
    await endpoint_rig.start(people_per_day=100)
    refused: set[str] = set()

    def refuse_once(request: SendRequest) -> GraphAnswer:
        again = request.recipient in refused
        refused.add(request.recipient)
        return GraphAnswer() if again else build_refusal(131016, 503)

    endpoint_rig.endpoint.behave = refuse_once
    await endpoint_rig.client.publish_broadcast(reached[:1])
    await endpoint_rig.wait_for_requests(101, 10)
    await endpoint_rig.wait_for_requests(102, 10)
    assert len(endpoint_rig.endpoint.accepted) == 101

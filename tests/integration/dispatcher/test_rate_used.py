"""Conditions that must not cost rate: requests without an answer, and a retry that several replicas see."""

import pytest

from tests.integration.dispatcher.endpoint_harness import MAX_DISPATCHERS, RATE, EndpointHarness, wait_until_moment
from tests.integration.dispatcher.fake_graph_api import GraphAnswer, SendRequest, build_error

SETTLING_SECONDS = 2.0
MEASURED_SECONDS = 15.0
SHARE_USED = 0.97
UNANSWERED_OF = 100
RESERVED = "kreisfunk_dispatcher_send_slots_reserved_total"
LOST = "kreisfunk_dispatcher_send_slots_unused_total"


class RefusedOnce:
    """Meta is unavailable for each recipient's first message."""

    def __init__(self) -> None:
        self.refused: set[str] = set()

    def __call__(self, request: SendRequest) -> GraphAnswer:
        again = request.recipient in self.refused
        self.refused.add(request.recipient)
        return GraphAnswer() if again else build_error(131016, 503)


@pytest.mark.alone
async def test_requests_that_are_never_answered_cost_no_rate(harness: EndpointHarness) -> None:
    """With the usual timeout, so that the longer it lasts, the more of them there are."""

    def behave(request: SendRequest) -> GraphAnswer | None:
        return None if request.number % UNANSWERED_OF == UNANSWERED_OF // 2 else GraphAnswer()

    harness.endpoint.behave = behave
    (dispatcher,) = await harness.start(request_timeout_seconds=20)
    await harness.publish_broadcast(harness.build_citizens(int(RATE * 20)))
    await harness.wait_for_requests(1)
    start = harness.endpoint.requests[0].at + SETTLING_SECONDS
    await wait_until_moment(start)
    late_before = await harness.fetch_metric(dispatcher, LOST, reason="late")
    await wait_until_moment(start + MEASURED_SECONDS)
    used = harness.endpoint.count_requests(start, start + MEASURED_SECONDS)
    # What a busy machine loses is not what the missing answers cost.
    late = await harness.fetch_metric(dispatcher, LOST, reason="late") - late_before
    assert used + late >= SHARE_USED * RATE * MEASURED_SECONDS
    harness.assert_none_twice()


@pytest.mark.alone
async def test_replicas_that_all_see_one_due_retry_reserve_hardly_more_slots_than_it_needs(
    harness: EndpointHarness,
) -> None:
    """Slots that nobody uses are lost for everybody."""
    harness.endpoint.behave = RefusedOnce()
    dispatchers = await harness.start(MAX_DISPATCHERS)
    totals: dict[str, float] = {}

    async def count(name: str) -> float:
        return sum([await harness.fetch_metric(one, name) for one in dispatchers])

    async def no_slot_is_open() -> bool:
        totals["unused"] = await count(LOST)
        return await count(RESERVED) == totals["unused"] + len(harness.endpoint.requests)

    for number in range(1, 6):
        await harness.publish_broadcast(harness.build_citizens(1))
        await harness.wait_for_requests(2 * number - 1)
        await harness.wait_until(no_slot_is_open)
        before = totals["unused"]
        await harness.wait_for_accepted(number)
        await harness.wait_until(no_slot_is_open)
        # A replica may look twice before the one that sends it has claimed it.
        assert totals["unused"] - before <= 2 * (MAX_DISPATCHERS - 1)

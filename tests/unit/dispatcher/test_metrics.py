"""Metrics that alerts read."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from services.dispatcher.adapters.metrics import Metrics
from services.dispatcher.domain.pacing import Lease
from services.dispatcher.domain.progress import Backlog
from services.dispatcher.domain.send_results import Accepted, NoResponse, SendResult
from services.dispatcher.handlers.lanes import Lanes
from services.dispatcher.handlers.maintenance import report_backlog
from services.dispatcher.ports import Ledger
from shared.contracts.events import BroadcastCancelled
from shared.contracts.message import Lane
from tests.factories.ids import generate_id
from tests.factories.lanes import FakeLaneMessage, FakeLaneQueue, encode_message
from tests.unit.dispatcher.test_graph_api import claim

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
NOTHING: Any = None


@pytest.mark.parametrize(("answer", "found"), [(NoResponse("timeout"), 1), (Accepted("wamid.1"), 0)])
def test_a_request_without_an_answer_is_an_unknown_outcome(answer: SendResult, found: int) -> None:
    registry = CollectorRegistry()
    Metrics(registry, limit=80).record_send(claim(), answer, 2.0, datetime.now(UTC))
    name, labels = "kreisfunk_dispatcher_unknown_outcomes_total", {"event": "found"}
    assert registry.get_sample_value(name, labels) == found


def test_an_idle_replica_permits_as_much_after_a_pause_as_before() -> None:
    """It reserves nothing before it has something to send."""
    registry = CollectorRegistry()
    metrics, shown = Metrics(registry, limit=80), []
    metrics.record_lease(Lease(start=0.0, spacing=0.0125, slots=8), 0.0)
    for paused in (False, True, False):
        backlog = Backlog(waiting={}, overdue_seconds={}, unaccounted=0, unknown_seconds=0, sending_paused=paused)
        metrics.show_backlog(backlog, {}, 0.0)
        shown.append(registry.get_sample_value("kreisfunk_dispatcher_rate_permitted"))
    assert shown == [80, 0, 80]


def build_queue(waited: float | None) -> FakeLaneQueue:
    """Return a lane's queue whose first message was published that long ago, or that is empty."""
    if waited is None:
        return FakeLaneQueue()
    any_message = BroadcastCancelled(broadcast=generate_id(), source="/x", notice="n", reason="r")
    return FakeLaneQueue([FakeLaneMessage(encode_message(any_message, NOW - timedelta(seconds=waited)))])


@pytest.mark.parametrize(
    ("at_the_broker", "due_for", "shown"),
    [
        ({Lane.URGENT: 90.0, Lane.BULK: 7.0}, {}, {Lane.REPLY: 0, Lane.URGENT: 90, Lane.BULK: 7}),
        ({}, {Lane.URGENT: 40.0}, {Lane.REPLY: 0, Lane.URGENT: 40, Lane.BULK: 0}),
        ({Lane.URGENT: 5.0, Lane.BULK: 70.0}, {Lane.URGENT: 60.0, Lane.BULK: 8.0}, {Lane.URGENT: 60, Lane.BULK: 70}),
    ],
    ids=["on the broker", "due retries", "the older of both"],
)
async def test_a_lane_has_waited_as_long_as_its_first_message_or_its_oldest_due_retry(
    at_the_broker: Mapping[Lane, float], due_for: Mapping[Lane, float], shown: Mapping[Lane, float]
) -> None:
    async def read_backlog() -> Backlog:
        return Backlog(waiting={}, overdue_seconds=due_for, unaccounted=0, unknown_seconds=0)

    registry, ledger = CollectorRegistry(), cast(Ledger, SimpleNamespace(read_backlog=read_backlog))
    queues = {lane: build_queue(at_the_broker.get(lane)) for lane in Lane}
    lanes = Lanes(ledger=ledger, queues=queues, prepare=NOTHING, wake=asyncio.Event())
    sender: Any = SimpleNamespace(measure_unreachable=lambda: 0.0, reachability=SimpleNamespace(reason=None))
    await report_backlog(ledger, lanes, sender, Metrics(registry, limit=80), lambda: NOW)
    name = "kreisfunk_dispatcher_lane_oldest_seconds"
    assert {lane: registry.get_sample_value(name, {"lane": lane.value}) for lane in shown} == shown

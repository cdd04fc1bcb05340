"""Metrics that alerts read."""

from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry

from services.dispatcher.adapters.metrics import Metrics
from services.dispatcher.domain.send_results import Accepted, NoResponse, SendResult
from tests.unit.dispatcher.test_graph_api import claim


@pytest.mark.parametrize(("answer", "found"), [(NoResponse("timeout"), 1), (Accepted("wamid.1"), 0)])
def test_a_request_without_an_answer_is_an_unknown_outcome(answer: SendResult, found: int) -> None:
    registry = CollectorRegistry()
    Metrics(registry, limit=80).record_send(claim(), answer, 2.0, datetime.now(UTC))
    name, labels = "kreisfunk_dispatcher_unknown_outcomes_total", {"event": "found"}
    assert registry.get_sample_value(name, labels) == found

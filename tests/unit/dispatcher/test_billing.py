"""What Meta bills."""

from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry

from services.dispatcher.adapters.metrics import Metrics
from services.dispatcher.domain.billing import count_billed
from services.dispatcher.handlers.consumers import StatusHandler
from services.dispatcher.ports import AppliedStatuses
from shared.contracts.envelope import encode
from shared.contracts.inbound import DeliveryStatus, DeliveryStatuses
from shared.outcome import DependencyUnavailable, Done

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def build_status(status: str, category: str | None) -> DeliveryStatus:
    return DeliveryStatus(message_key=b"m", status=status, at=NOW, received_at=NOW, pricing_category=category)


def test_a_message_is_billed_once_when_it_is_delivered() -> None:
    life = [build_status(status, "utility") for status in ("sent", "delivered", "read")]
    assert count_billed([*life, *life, build_status("delivered", "marketing")]) == {"utility": 2, "marketing": 1}


def test_what_costs_nothing_or_has_a_new_name_is_counted_without_a_new_label() -> None:
    assert count_billed([build_status("delivered", None), build_status("delivered", "+49 170 1234567")]) == {"other": 1}


class AbsentLedger:
    """A ledger whose database is away for the first two calls."""

    def __init__(self) -> None:
        self.calls = 0

    async def apply_statuses(self, *_: object) -> AppliedStatuses:
        self.calls += 1
        if self.calls <= 2:
            raise DependencyUnavailable("the database is away")
        return AppliedStatuses(changed=1, unmatched=0, failures=[], reached=[])


async def test_a_message_is_billed_once_however_often_it_is_tried_to_store_that() -> None:
    registry = CollectorRegistry()
    meter = Metrics(registry, limit=80)
    handler = StatusHandler(ledger=cast(Any, AbsentLedger()), pauses=cast(Any, None), meter=meter)
    status = DeliveryStatus(
        message_key=b"m",
        status="delivered",
        at=NOW,
        received_at=NOW,
        pricing_category="utility",
        delivery=str(uuid4()),
    )
    body = encode(DeliveryStatuses(statuses=(status,)), event_id="1", source="/test", time=NOW)
    for _ in range(2):
        with pytest.raises(DependencyUnavailable):
            await handler.handle(body)
    assert await handler.handle(body) == Done()
    billed = registry.get_sample_value("kreisfunk_dispatcher_billed_messages_total", {"category": "utility"})
    assert billed == 1

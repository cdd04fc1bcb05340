"""Consumers of the dispatcher's queues."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from services.dispatcher.adapters.metrics import Metrics
from services.dispatcher.domain.status_updates import AppliedStatuses, StatusUpdate
from services.dispatcher.handlers.consumers import StatusHandler, count_billed, handle_message
from services.dispatcher.ports import Ledger
from shared.contracts.envelope import encode
from shared.contracts.events import BroadcastCancelled
from shared.contracts.inbound import DeliveryStatus, DeliveryStatuses
from shared.contracts.message import Message
from shared.outcome import Dead, DependencyUnavailable, Done, InvalidDataError, Outcome

NOTHING: Any = None
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
CANCELLED = BroadcastCancelled(broadcast=UUID(int=1), source="/x", notice="n", reason="r")


def build_status(
    status: str = "delivered", category: str | None = None, delivery: UUID | None = None
) -> DeliveryStatus:
    about = str(delivery) if delivery else None
    return DeliveryStatus(
        message_key=b"m", status=status, at=NOW, received_at=NOW, pricing_category=category, delivery=about
    )


@pytest.mark.parametrize(
    ("body", "handled", "outcome"),
    [
        (encode(CANCELLED, event_id="1", source="/test", time=NOW), [CANCELLED], Done()),
        (encode(DeliveryStatuses(statuses=()), event_id="1", source="/test", time=NOW), [], Dead),
        (b"{}", [], Dead),
    ],
    ids=["its own", "another type", "unreadable"],
)
async def test_what_is_not_for_a_queue_is_kept_for_an_operator(
    body: bytes, handled: list[Message], outcome: Outcome | type[Outcome]
) -> None:
    seen = list[Message]()

    async def take(message: Message) -> None:
        seen.append(message)

    found = await handle_message({BroadcastCancelled: take}, body)
    assert seen == handled
    assert outcome in (found, type(found))


def test_a_message_is_billed_once_when_it_is_delivered_or_at_once_read() -> None:
    """In an open chat Meta reports no delivery; the price is with only one of the two."""
    life = [build_status("sent", "utility"), build_status("delivered", "utility"), build_status("read")]
    in_an_open_chat = [build_status("sent", "service"), build_status("read", "service")]
    statuses = [*life, *life, *in_an_open_chat, build_status("delivered", "marketing")]
    assert count_billed(statuses) == {"utility": 2, "service": 1, "marketing": 1}


def test_what_costs_nothing_or_has_a_new_name_is_counted_without_a_new_label() -> None:
    assert count_billed([build_status(), build_status("delivered", "+49 170 1234567")]) == {"other": 1}


@dataclass
class FailingLedger:
    """A ledger that is away for some calls, and refuses statuses of `refused`."""

    away: int = 0
    refused: UUID | None = None
    updates: list[StatusUpdate] = field(default_factory=list)

    async def apply_statuses(self, updates: Sequence[StatusUpdate], _: datetime | None) -> AppliedStatuses:
        self.away -= 1
        if self.away >= 0:
            raise DependencyUnavailable("the database is away")
        if self.refused in {update.delivery for update in updates}:
            raise InvalidDataError("out of range")
        self.updates.extend(updates)
        return AppliedStatuses(changed=len(updates), unmatched=0, failures=(), reached=())


def build_handler(ledger: FailingLedger) -> tuple[StatusHandler, Callable[..., float | None]]:
    """Return the handler, and what reads its metrics by name and label."""
    registry = CollectorRegistry()
    handler = StatusHandler(ledger=cast(Ledger, ledger), pauses=NOTHING, meter=Metrics(registry, limit=80))

    def read(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"kreisfunk_dispatcher_{name}_total", labels)

    return handler, read


async def test_a_message_is_billed_once_however_often_it_is_tried_to_store_that() -> None:
    handler, read = build_handler(FailingLedger(away=2))
    group = DeliveryStatuses(statuses=(build_status("delivered", "utility", uuid4()),))
    for _ in range(2):
        with pytest.raises(DependencyUnavailable):
            await handler.apply(group)
    await handler.apply(group)
    assert read("billed_messages", category="utility") == 1


@pytest.mark.parametrize("place", [0, 6, 12])
async def test_a_status_that_the_database_refuses_takes_no_other_with_it(place: int) -> None:
    deliveries = [uuid4() for _ in range(13)]
    ledger = FailingLedger(refused=deliveries[place])
    handler, read = build_handler(ledger)
    with capture_logs() as lines:
        await handler.apply(DeliveryStatuses(statuses=tuple(build_status(delivery=one) for one in deliveries)))
    assert [(line["event"], line["delivery"]) for line in lines] == [("status_refused", str(deliveries[place]))]
    assert sorted(update.delivery for update in ledger.updates) == sorted({*deliveries} - {deliveries[place]})
    assert read("refused_rows", kind="status") == 1
    assert read("statuses", result="changed") == len(deliveries) - 1

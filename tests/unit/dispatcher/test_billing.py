"""What Meta bills."""

from datetime import UTC, datetime

from services.dispatcher.domain.billing import count_billed
from shared.contracts.inbound import DeliveryStatus

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def build_status(status: str, category: str | None) -> DeliveryStatus:
    return DeliveryStatus(message_key=b"m", status=status, at=NOW, received_at=NOW, pricing_category=category)


def test_a_message_is_billed_once_when_it_is_delivered() -> None:
    life = [build_status(status, "utility") for status in ("sent", "delivered", "read")]
    assert count_billed([*life, *life, build_status("delivered", "marketing")]) == {"utility": 2, "marketing": 1}


def test_what_costs_nothing_or_has_a_new_name_is_counted_without_a_new_label() -> None:
    assert count_billed([build_status("delivered", None), build_status("delivered", "+49 170 1234567")]) == {"other": 1}

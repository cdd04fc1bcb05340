"""Prices of a message, as the dashboards multiply delivered messages with them."""

from decimal import Decimal

from prometheus_client import CollectorRegistry

from services.subscriptions.adapters.metrics import Metrics
from shared.notices.configuration import Prices


def read_prices(prices: Prices) -> list[float | None]:
    registry = CollectorRegistry()
    Metrics(registry).show_prices(prices)
    name = "kreisfunk_subscriptions_message_price_euros"
    return [registry.get_sample_value(name, {"category": each}) for each in ("marketing", "utility", "service")]


def test_an_answer_costs_as_much_as_a_utility_message() -> None:
    """Meta calls it service, and has billed it so since October 2026."""
    assert read_prices(Prices(marketing=Decimal("0.1"), utility=Decimal("0.05"))) == [0.1, 0.05, 0.05]
    assert read_prices(Prices(marketing=Decimal("0.1"))) == [0.1, None, None]

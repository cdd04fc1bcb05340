"""Messages that Meta bills: delivered messages by category."""

from collections import Counter
from collections.abc import Iterable

from shared.contracts.inbound import DeliveryStatus

BILLED_CATEGORIES = ("marketing", "utility", "authentication", "service")


def count_billed(statuses: Iterable[DeliveryStatus]) -> Counter[str]:
    """Return the number of delivered messages by category; a status that Meta repeats counts again."""
    return Counter(
        each.pricing_category if each.pricing_category in BILLED_CATEGORIES else "other"
        for each in statuses
        if each.status == "delivered" and each.pricing_category
    )

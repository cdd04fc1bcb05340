"""States of a delivery, and Meta's words for some of them."""

from enum import StrEnum


class DeliveryState(StrEnum):
    """State of a delivery. Up to READ they are in chronological order."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPPRESSED = "suppressed"


# Meta's status words; others are ignored. Of several about one message the last in this order counts, in whatever order
# they arrive: proof of delivery outranks a failure.
STATES_BY_STATUS = {
    "sent": DeliveryState.SENT,
    "failed": DeliveryState.FAILED,
    "delivered": DeliveryState.DELIVERED,
    "read": DeliveryState.READ,
    "played": DeliveryState.READ,
}

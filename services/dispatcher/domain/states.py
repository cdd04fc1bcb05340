"""The states of a delivery, and which of two pieces of news counts."""

from enum import StrEnum


class DeliveryState(StrEnum):
    """Where a delivery is. The order up to READ is the order of the way."""

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


PROVEN_STATES = (DeliveryState.DELIVERED, DeliveryState.READ)
STATE_ORDER = (
    DeliveryState.WAITING,
    DeliveryState.CLAIMED,
    DeliveryState.UNKNOWN,
    DeliveryState.ACCEPTED,
    DeliveryState.SENT,
    *PROVEN_STATES,
)
# What Meta's words for a status stand for; others mean nothing to us.
STATES_BY_STATUS = {
    "sent": DeliveryState.SENT,
    "delivered": DeliveryState.DELIVERED,
    "read": DeliveryState.READ,
    "played": DeliveryState.READ,
    "failed": DeliveryState.FAILED,
}


def advance(old: DeliveryState, new: DeliveryState) -> DeliveryState:
    """The state after news of acceptance, a status or a failure: never backwards, and the phone is right.

    `new` is one of accepted, sent, delivered, read, failed. News may come twice and in any order: the result
    does not depend on it.
    """
    if new is DeliveryState.FAILED:
        return old if old in PROVEN_STATES or old not in STATE_ORDER else new
    if old is DeliveryState.FAILED:
        return new if new in PROVEN_STATES else old
    if old in STATE_ORDER:
        return max(old, new, key=STATE_ORDER.index)
    return new

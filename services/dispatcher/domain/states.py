"""The states of a delivery, and which of two pieces of news counts."""

from enum import StrEnum


class State(StrEnum):
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


PROOF = (State.DELIVERED, State.READ)
WAY = (State.WAITING, State.CLAIMED, State.UNKNOWN, State.ACCEPTED, State.SENT, *PROOF)
# What Meta's words for a status stand for; others mean nothing to us.
STATUSES = {
    "sent": State.SENT,
    "delivered": State.DELIVERED,
    "read": State.READ,
    "played": State.READ,
    "failed": State.FAILED,
}


def advance(old: State, new: State) -> State:
    """The state after news of acceptance, a status or a failure: never backwards, and the phone is right.

    `new` is one of accepted, sent, delivered, read, failed. News may come twice and in any order: the result
    does not depend on it.
    """
    if new is State.FAILED:
        return old if old in PROOF or old not in WAY else new
    if old is State.FAILED:
        return new if new in PROOF else old
    if old in WAY:
        return max(old, new, key=WAY.index)
    return new

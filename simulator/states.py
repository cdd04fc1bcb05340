"""How far a message has come; it only moves forward."""

from enum import StrEnum


class State(StrEnum):
    """Meta's word for each step; `accepted` is what the answer to the request means."""

    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


RANK = {State.ACCEPTED: 0, State.SENT: 1, State.FAILED: 2, State.DELIVERED: 3, State.READ: 4}


def later(first: State, second: State) -> State:
    """The one that says more: a phone that showed a message outweighs a failure reported before."""
    return first if RANK[first] >= RANK[second] else second

"""States of a message; a message only moves forward."""

from enum import StrEnum


class MessageState(StrEnum):
    """Meta's names of the states; `accepted` follows from the answer to the request."""

    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


RANK = {
    MessageState.ACCEPTED: 0,
    MessageState.SENT: 1,
    MessageState.FAILED: 2,
    MessageState.DELIVERED: 3,
    MessageState.READ: 4,
}


def pick_later(first: MessageState, second: MessageState) -> MessageState:
    """Return the state with the higher rank: a delivery outweighs a failure reported before."""
    return first if RANK[first] >= RANK[second] else second

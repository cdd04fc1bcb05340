"""How far a message has come; it only moves forward."""

from enum import StrEnum


class MessageState(StrEnum):
    """Meta's word for each step; `accepted` is what the answer to the request means."""

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
    """The one that says more: a phone that showed a message outweighs a failure reported before."""
    return first if RANK[first] >= RANK[second] else second

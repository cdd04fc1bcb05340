"""States of a message, which only moves forward, and the statuses that follow an accepted one."""

from enum import StrEnum
from typing import NamedTuple

from simulator.faults import Faults, draw_chance

SENT_DELAY_SECONDS = 0.02
FAILED_DELAY_SECONDS = 0.2
# A phone that is switched on receives a message within the first range; the citizen reads it within the second.
DELIVERED_DELAY_SECONDS = (0.05, 0.4)
READ_DELAY_SECONDS = (0.3, 1.5)
CHAT_OPEN_SHARE = 0.1
STOPPED_MARKETING = 131050


class MessageState(StrEnum):
    """Meta's names of the states, each outranking those before; `accepted` follows from the response to the request."""

    ACCEPTED = "accepted"
    SENT = "sent"
    FAILED = "failed"
    DELIVERED = "delivered"
    READ = "read"


RANK = {state: rank for rank, state in enumerate(MessageState)}


def pick_later(first: MessageState, second: MessageState) -> MessageState:
    """Return the state with the higher rank: a delivery outranks an earlier failure."""
    return first if RANK[first] >= RANK[second] else second


class StatusStep(NamedTuple):
    """One status: `after` is in seconds since acceptance, `priced` tells whether it carries the price."""

    after: float
    state: MessageState
    priced: bool = False
    code: int = 0


def plan_statuses(faults: Faults, number: int, *, refused: bool) -> list[StatusStep]:
    """Return the statuses of one message; `refused` if the citizen has stopped marketing messages."""
    if refused:
        return [StatusStep(FAILED_DELAY_SECONDS, MessageState.FAILED, code=STOPPED_MARKETING)]
    if draw_chance(faults.seed, "fail", number) < faults.fail_share:
        return [StatusStep(FAILED_DELAY_SECONDS, MessageState.FAILED, code=faults.fail_code)]
    sent = StatusStep(SENT_DELAY_SECONDS, MessageState.SENT, priced=True)
    delivered_after = _interpolate(DELIVERED_DELAY_SECONDS, draw_chance(faults.seed, "delivered", number))
    delivered = StatusStep(delivered_after, MessageState.DELIVERED, priced=True)
    if draw_chance(faults.seed, "read", number) >= faults.read_share:
        return [sent, delivered]
    # Meta omits `delivered` when the chat is open; `read` then carries the price.
    if draw_chance(faults.seed, "chat open", number) < CHAT_OPEN_SHARE:
        return [sent, StatusStep(delivered_after, MessageState.READ, priced=True)]
    read_after = delivered_after + _interpolate(READ_DELAY_SECONDS, draw_chance(faults.seed, "read after", number))
    return [sent, delivered, StatusStep(read_after, MessageState.READ)]


def _interpolate(span: tuple[float, float], share: float) -> float:
    return span[0] + share * (span[1] - span[0])

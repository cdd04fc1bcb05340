"""What becomes of an accepted message, decided once and the same for the same seed."""

from typing import NamedTuple

from simulator.faults import Faults, chance
from simulator.states import State

SENT_SECONDS = 0.02
FAILED_SECONDS = 0.2
# A phone that is on takes a message within the first range and is looked at within the second.
DELIVERED_SECONDS = (0.05, 0.4)
READ_SECONDS = (0.3, 1.5)
CHAT_OPEN_SHARE = 0.1
STOPPED_MARKETING = 131050


class Step(NamedTuple):
    """One status: how many seconds after acceptance, and whether it tells the price."""

    after: float
    state: State
    priced: bool = False
    code: int = 0


def steps(faults: Faults, number: int, *, refused: bool) -> list[Step]:
    """The statuses of one message; `refused` if the citizen takes no marketing."""
    if refused:
        return [Step(FAILED_SECONDS, State.FAILED, code=STOPPED_MARKETING)]
    if chance(faults.seed, "fail", number) < faults.fail_share:
        return [Step(FAILED_SECONDS, State.FAILED, code=faults.fail_code)]
    sent = Step(SENT_SECONDS, State.SENT, priced=True)
    delivered_after = _within(DELIVERED_SECONDS, chance(faults.seed, "delivered", number))
    delivered = Step(delivered_after, State.DELIVERED, priced=True)
    if chance(faults.seed, "read", number) >= faults.read_share:
        return [sent, delivered]
    # Meta leaves `delivered` out when the chat is open; `read` then carries the price.
    if chance(faults.seed, "chat open", number) < CHAT_OPEN_SHARE:
        return [sent, Step(delivered_after, State.READ, priced=True)]
    read_after = delivered_after + _within(READ_SECONDS, chance(faults.seed, "read after", number))
    return [sent, delivered, Step(read_after, State.READ)]


def _within(span: tuple[float, float], share: float) -> float:
    return span[0] + share * (span[1] - span[0])

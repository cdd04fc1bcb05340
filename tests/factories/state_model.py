"""The rule of `dispatcher.advance` in the ledger, in Python."""

from services.dispatcher.domain.states import DeliveryState

PROVEN_STATES = (DeliveryState.DELIVERED, DeliveryState.READ)
STATE_ORDER = tuple(DeliveryState)[: tuple(DeliveryState).index(DeliveryState.READ) + 1]


def advance(old: DeliveryState, new: DeliveryState) -> DeliveryState:
    """Return the state after an acceptance, a status or a failure: never backwards; proof of delivery outranks failure.

    `new` is one of accepted, sent, delivered, read, failed. Reports may be repeated and arrive in any order: the result
    is the same.
    """
    if new is DeliveryState.FAILED:
        return old if old in PROVEN_STATES or old not in STATE_ORDER else new
    if old is DeliveryState.FAILED:
        return new if new in PROVEN_STATES else old
    if old in STATE_ORDER:
        return max(old, new, key=STATE_ORDER.index)
    return new

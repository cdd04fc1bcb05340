"""Progress of broadcasts, and the backlog of the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from services.dispatcher.domain.states import DeliveryState
from shared.contracts.message import Lane


@dataclass(frozen=True)
class BroadcastProgress:
    """Recipients of a broadcast by state; `audience` is None until the last page has arrived.

    `cancelled` is the reason of a cancellation; `person_limited` counts those who wait because Meta limits the messages
    to one person in a short time. `counters` are compared with later ones by the ledger. `failures` counts the failed
    ones by Meta's code, None for those without.
    """

    broadcast: UUID
    audience: int | None
    states: Mapping[DeliveryState, int]
    finished: bool
    cancelled: str | None
    person_limited: int
    counters: str
    failures: Mapping[int | None, int]


@dataclass(frozen=True)
class Backlog:
    """Work that the ledger still expects.

    `waiting` counts deliveries by lane, `overdue_seconds` is how long the oldest one has been due; `unaccounted` counts
    recipients of ended broadcasts without a row; `unknown_seconds` is the age of the oldest unknown outcome.
    """

    waiting: Mapping[Lane, int]
    overdue_seconds: Mapping[Lane, float]
    unaccounted: int
    unknown_seconds: float
    sending_paused: bool = False

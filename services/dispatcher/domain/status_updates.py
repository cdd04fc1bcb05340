"""Updates of deliveries by Meta's statuses, and the result of applying them."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.dispatcher.domain.states import DeliveryState


@dataclass(frozen=True)
class StatusUpdate:
    """Furthest status of one delivery in a group of statuses.

    A failure that may be temporary is retried, up to `attempts` attempts; each has its delay, in seconds.
    """

    delivery: UUID
    state: DeliveryState
    message_key: bytes
    error_code: int | None = None
    attempts: int = 0
    delays: Sequence[float] = ()
    waits_for: str | None = None


@dataclass(frozen=True)
class StatusFailure:
    """Deliveries that failed with the same code; those of replies have no broadcast and no template."""

    broadcast: UUID | None
    template: str | None
    code: int | None
    deliveries: Sequence[UUID]


@dataclass(frozen=True)
class AppliedStatuses:
    """Result of applying a group of statuses; `unmatched` have no ledger row.

    `failures` are new ones; `reached` are the broadcasts with a message now known to be on its way.
    """

    changed: int
    unmatched: int
    failures: Sequence[StatusFailure]
    reached: Sequence[UUID]

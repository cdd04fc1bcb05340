"""Pauses caused by Meta's errors, each logged and counted once, and the consecutive rejections that cause some."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

import structlog

from services.dispatcher.domain.account import AccountUpdate
from services.dispatcher.domain.errors import find_error_rule
from services.dispatcher.domain.pacing import PROBE_DELAY_SECONDS
from services.dispatcher.ports import Ledger, Meter, RateLimiter

THROTTLE_SECONDS = 0.25
MAX_REJECTIONS_IN_A_ROW = 20
MAX_BROADCASTS = 1000

_log = structlog.get_logger()


@dataclass(frozen=True)
class Pauses:
    """Pauses of sending, of a template's broadcasts, and of one broadcast. All methods raise DependencyUnavailable."""

    ledger: Ledger
    limiter: RateLimiter
    meter: Meter

    async def pause_sending(self, reason: str, seconds: float = PROBE_DELAY_SECONDS) -> bool:
        """Return whether it was not paused before; the first probe is sent after `seconds`."""
        paused = await self.limiter.pause(reason, seconds)
        if paused:
            _log.error("sending_paused", reason=reason, probe_in_seconds=seconds)
        return paused

    async def throttle(self, code: int | None, seconds: float = THROTTLE_SECONDS) -> None:
        """Make all replicas send more slowly after `seconds`."""
        if await self.limiter.throttle(seconds):
            _log.warning("sending_throttled", code=code, seconds=seconds)

    async def pause_template(self, template: str, reason: str) -> None:
        if await self.ledger.pause_template(template, reason):
            _log.error("template_paused", template=template, reason=reason)
            self.meter.count("account_updates", label=AccountUpdate.TEMPLATE_PAUSED)

    async def pause_broadcast(self, broadcast: UUID, code: int | None) -> None:
        reason = f"Meta hat {MAX_REJECTIONS_IN_A_ROW} Nachrichten hintereinander abgelehnt: {explain_code(code)}"
        if await self.ledger.pause_broadcast(broadcast, reason):
            _log.error("broadcast_paused", broadcast=str(broadcast), reason=reason)
            self.meter.count("broadcasts_paused")


def explain_code(code: int | None) -> str:
    """Return why Meta refuses messages, in German: editors read it as the reason of a pause."""
    german = find_error_rule(code).german
    return german if code is None else f"{german}, Code {code}"


class Rejections:
    """Consecutive deliveries that Meta rejected with the same code, which their recipients are unlikely to cause."""

    def __init__(self) -> None:
        self._by_broadcast: dict[UUID, tuple[int | None, set[UUID]]] = {}

    def observe(self, broadcast: UUID, code: int | None, deliveries: Iterable[UUID]) -> bool:
        """Count rejections; return whether the broadcast must be paused, which restarts counting."""
        previous_code, rejected = self._by_broadcast.pop(broadcast, (code, set()))
        rejected = {*deliveries, *(rejected if previous_code == code else ())}
        if len(rejected) >= MAX_REJECTIONS_IN_A_ROW:
            return True
        if len(self._by_broadcast) == MAX_BROADCASTS:
            self._by_broadcast.pop(next(iter(self._by_broadcast)))
        self._by_broadcast[broadcast] = (code, rejected)
        return False

    def restart(self, broadcast: UUID) -> None:
        """Restart counting, as Meta accepted a message."""
        self._by_broadcast.pop(broadcast, None)

"""How often one person is answered, and what they were asked last.

Hints are given once a day, and everything so seldom that two machines cannot chat.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

HINT_INTERVAL = timedelta(hours=24)
MAX_ANSWERS = 40.0
REFILL_INTERVAL = timedelta(minutes=6)
# Whoever is in need is answered although everything else is exhausted.
EMERGENCY_RESERVE = 40.0


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """When the last hint was given, how many answers were left at a moment, and the question that is still open.

    `asked` is the payload of what "Ja" means; empty if nothing was asked, or it has been answered.
    """

    hinted_at: datetime | None = None
    left: float = MAX_ANSWERS
    counted_at: datetime | None = None
    asked: str = ""

    def may_hint(self, said_at: datetime) -> bool:
        return self.hinted_at is None or said_at >= self.hinted_at + HINT_INTERVAL

    def record_answer(self, now: datetime, *, urgent: bool = False) -> "Conversation | None":
        """The conversation after one more answer; None if there must not be one."""
        left = self._calculate_left(now) - 1
        if left < (-EMERGENCY_RESERVE if urgent else 0):
            return None
        return replace(self, left=left, counted_at=now)

    def _calculate_left(self, now: datetime) -> float:
        if self.counted_at is None:
            return self.left
        refilled = max(now - self.counted_at, timedelta()) / REFILL_INTERVAL
        return min(MAX_ANSWERS, self.left + refilled)


NEW_CONVERSATION = Conversation()
_NEVER = datetime.min.replace(tzinfo=UTC)


def merge_conversations(conversations: Sequence[Conversation]) -> Conversation:
    """One person's, out of those of all addresses: what is strictest of each."""
    hints = [each.hinted_at for each in conversations if each.hinted_at]
    latest = max(conversations, key=lambda each: each.counted_at or _NEVER, default=Conversation())
    return replace(latest, hinted_at=max(hints, default=None))

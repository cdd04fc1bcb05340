"""Quota of replies to one person, and the question that they were asked last.

Hints are given at most once a day, and replies are limited so that two machines cannot chat.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

HINT_INTERVAL = timedelta(hours=24)
MAX_ANSWERS = 40.0
REFILL_INTERVAL = timedelta(minutes=6)
# Somebody in an emergency gets an answer although the quota is used up.
EMERGENCY_RESERVE = 40.0


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """Time of the last hint, answers left at `counted_at`, and the question that is still open.

    `asked` is the payload that "Ja" stands for; empty if nothing was asked, or it has been answered.
    """

    hinted_at: datetime | None = None
    left: float = MAX_ANSWERS
    counted_at: datetime | None = None
    asked: str = ""

    def may_hint(self, said_at: datetime) -> bool:
        return self.hinted_at is None or said_at >= self.hinted_at + HINT_INTERVAL

    def record_answer(self, now: datetime, *, urgent: bool = False) -> "Conversation | None":
        """Return the conversation after one more answer; None if the quota is used up."""
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
    """Merge the conversations of all addresses of one person: the latest hint, and the rest from the latest answer."""
    hints = [each.hinted_at for each in conversations if each.hinted_at]
    latest = max(conversations, key=lambda each: each.counted_at or _NEVER, default=Conversation())
    return replace(latest, hinted_at=max(hints, default=None))

"""Rejections of a broadcast's messages in a row, which are hardly about their recipients."""

from uuid import UUID

MAX_REJECTIONS_IN_A_ROW = 20
MAX_BROADCASTS = 1000


class Rejections:
    """Number of messages that Meta rejected in a row with the same code, by broadcast."""

    def __init__(self) -> None:
        self._rows: dict[UUID, tuple[int | None, int]] = {}

    def observe(self, broadcast: UUID, code: int | None, times: int = 1) -> bool:
        """Count rejections; return whether the broadcast is to be paused. Then counting restarts."""
        known, count = self._rows.pop(broadcast, (code, 0))
        count = count + times if known == code else times
        if count >= MAX_REJECTIONS_IN_A_ROW:
            return True
        if len(self._rows) == MAX_BROADCASTS:
            self._rows.pop(next(iter(self._rows)))
        self._rows[broadcast] = (code, count)
        return False

    def forget(self, broadcast: UUID) -> None:
        """Restart counting: Meta accepted a message."""
        self._rows.pop(broadcast, None)

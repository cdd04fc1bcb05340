"""Rejections of a broadcast's messages in a row, which are hardly about their recipients."""

from collections.abc import Iterable
from uuid import UUID

MAX_REJECTIONS_IN_A_ROW = 20
MAX_BROADCASTS = 1000


class Rejections:
    """Deliveries that Meta rejected in a row with the same code, by broadcast; each counts once."""

    def __init__(self) -> None:
        self._rows: dict[UUID, tuple[int | None, set[UUID]]] = {}

    def observe(self, broadcast: UUID, code: int | None, deliveries: Iterable[UUID]) -> bool:
        """Count rejections; return whether the broadcast is to be paused. Then counting restarts."""
        known, rejected = self._rows.pop(broadcast, (code, set()))
        rejected = {*deliveries, *(rejected if known == code else ())}
        if len(rejected) >= MAX_REJECTIONS_IN_A_ROW:
            return True
        if len(self._rows) == MAX_BROADCASTS:
            self._rows.pop(next(iter(self._rows)))
        self._rows[broadcast] = (code, rejected)
        return False

    def forget(self, broadcast: UUID) -> None:
        """Restart counting: Meta accepted a message."""
        self._rows.pop(broadcast, None)

"""Notices whose first revision nobody has: it was rejected, or dropped as a draft."""

import time
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from services.feeds.files import get_modified_at, write_atomically

RETENTION = timedelta(days=400)


class NoticeStatus(StrEnum):
    """Status of the first revision of a notice.

    `unsent` is a draft that waits or was dropped, `expired` one without an answer yet, which may well be rejected.
    """

    SENT = "sent"
    UNSENT = "unsent"
    EXPIRED = "expired"
    REJECTED = "rejected"


@dataclass(frozen=True)
class UnacceptedNotices:
    """Folder with the status of each such notice, by the name of its event's file."""

    path: Path

    def read(self, name: str) -> NoticeStatus | None:
        try:
            return NoticeStatus((self.path / name).read_text())
        except (OSError, ValueError):
            return None

    def save(self, name: str, status: NoticeStatus) -> None:
        """Store the status if the event is a first revision: only then nobody has the notice."""
        if not name.endswith(".1"):
            return
        write_atomically(self.path / name, status.encode())
        oldest = (time.time() - RETENTION.total_seconds()) * 1e9
        for path in self.path.iterdir():
            if get_modified_at(path) < oldest:
                path.unlink(missing_ok=True)

    def forget(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

"""Ports of the newsroom."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from services.newsroom.domain.archive import ArchiveEntry


class ArchiveSource(Protocol):
    """Entries of the public archive since a moment. Methods raise DatabaseUnavailable."""

    async def compute_digest(self, since: datetime) -> int:
        """Return a number that changes with the entries."""

    async def read_entries(self, since: datetime) -> Sequence[ArchiveEntry]: ...

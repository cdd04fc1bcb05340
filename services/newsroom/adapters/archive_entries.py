"""Entries of the public archive in the database."""

from collections.abc import Sequence
from datetime import datetime

from services.newsroom.domain.archive import ArchiveEntry
from shared.database.pool import Database


class ArchiveEntryReader:
    """ArchiveSource on the table `archive_entry`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def compute_digest(self, since: datetime) -> int:
        digest: int = await self._database.fetchval(
            "select coalesce(sum(hashtextextended(entry::text, 0)), 0)::numeric % 9223372036854775807"
            " from newsroom.archive_entry entry where published_at >= $1",
            since,
        )
        return int(digest)

    async def read_entries(self, since: datetime) -> Sequence[ArchiveEntry]:
        rows = await self._database.fetch(
            "select code, notice, revision, topic, municipalities, headline, text, link, picture, urgent, published_at,"
            " expires_at, replaced_by, withdrawn_at from newsroom.archive_entry where published_at >= $1",
            since,
        )
        return [ArchiveEntry(**{**row, "municipalities": tuple(row["municipalities"])}) for row in rows]

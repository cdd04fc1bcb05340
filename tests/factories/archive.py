"""Entries of the archive for tests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.paths import CONFIG
from services.newsroom.domain.archive import ArchiveEntry
from services.newsroom.domain.archive_feeds import ArchiveSite
from services.newsroom.domain.county import NewsroomCounty
from shared.notices.configuration import read_configuration

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SITE = ArchiveSite(
    url="https://meldungen.example",
    county=read_configuration(CONFIG / "county.toml", NewsroomCounty),
    event_topics=frozenset({"veranstaltungen"}),
)
_ENTRY = ArchiveEntry(
    code="K7M2Q9TX",
    notice="k8-fahrbahn",
    revision=1,
    topic="baustellen",
    headline="K 8: neue Fahrbahndecke",
    text="Halbseitig gesperrt, eine Ampel regelt den Verkehr.",
    published_at=NOW - timedelta(hours=1),
    expires_at=NOW + timedelta(days=1),
)


def build_entry(**changes: Any) -> ArchiveEntry:
    return replace(_ENTRY, **changes)

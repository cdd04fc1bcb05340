"""The public archive on a port, over a database with entries."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import aiohttp
import asyncpg

from deploy.paths import CONFIG
from services.newsroom.adapters.broadcasts import ArchiveEntryReader
from services.newsroom.adapters.http.archive_app import build_archive_app, open_archive_port
from services.newsroom.adapters.http.archive_documents import ArchiveDocuments
from services.newsroom.adapters.http.archive_pages import ArchivePages
from services.newsroom.adapters.http.rendering import StaticFiles
from services.newsroom.adapters.listening import PostgresListeningLog
from services.newsroom.domain.archive import ArchiveEntry
from services.newsroom.domain.archive_feeds import ArchiveSite
from services.newsroom.domain.county import NewsroomCounty
from services.newsroom.handlers.archive_cache import ArchiveCache, ServiceLevelCache
from shared.database.pool import Database, open_database
from shared.notices.configuration import read_configuration
from tests.databases import FreshDatabase
from tests.factories.archive import NOW

COUNTY_FILE = CONFIG / "county.toml"
PHONE = "+49 4791 930 9999"
KEEPS_DAYS = 365
_INSERT = """
with account as (
  insert into newsroom.account (id, login, name, person, roles) values ($1, $2, 'Test', $1, '{editor}') returning id
), draft as (
  insert into newsroom.draft (id, notice, kind, state, version, created_by)
  select $1, $2, 'notice', 'published', 1, id from account returning id
), publication as (
  insert into newsroom.publication (id, draft, version, revision, body)
  select $1, id, 1, 1, '{}' from draft returning id
)
insert into newsroom.archive_entry (publication, code, notice, revision, topic, municipalities, headline, text, link,
  picture, urgent, published_at, expires_at, replaced_by, withdrawn_at)
select id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16 from publication
"""


@dataclass
class TurnedClock:
    """A clock that a test turns."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True, kw_only=True)
class ArchiveHarness:
    """`cache` and `levels` are refreshed by the test."""

    url: str
    cache: ArchiveCache
    levels: ServiceLevelCache
    clock: TurnedClock
    session: aiohttp.ClientSession = field(repr=False)

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with self.session.get(self.url + path, headers=headers, allow_redirects=False) as response:
            return response.status, await response.text()


async def insert_entries(url: str, entries: Sequence[ArchiveEntry]) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.executemany(_INSERT, [_build_row(entry, uuid4()) for entry in entries])
    finally:
        await connection.close()


def _build_row(entry: ArchiveEntry, identifier: UUID) -> tuple[object, ...]:
    return (
        identifier,
        f"a{identifier.hex}",
        entry.code,
        entry.notice,
        entry.revision,
        entry.topic,
        list(entry.municipalities),
        entry.headline,
        entry.text,
        entry.link,
        entry.picture,
        entry.urgent,
        entry.published_at,
        entry.expires_at,
        entry.replaced_by,
        entry.withdrawn_at,
    )


@asynccontextmanager
async def run_archive(
    database: Database, *, phone: str | None = PHONE, assets: Path = Path("/nonexistent")
) -> AsyncIterator[ArchiveHarness]:
    county = read_configuration(COUNTY_FILE, NewsroomCounty)
    clock = TurnedClock()
    cache = ArchiveCache(ArchiveEntryReader(database), clock, timedelta(days=KEEPS_DAYS))
    site = ArchiveSite(
        url="https://meldungen.example",
        county=county.name,
        topics={topic.id: topic.title for topic in county.topics},
        municipalities=county.municipalities,
        event_topics=frozenset({"veranstaltungen"}),
    )
    static = StaticFiles(assets)
    pages = ArchivePages(site=site, county=county, phone=phone, keeps_days=KEEPS_DAYS, static=static)
    levels = ServiceLevelCache(PostgresListeningLog(database).list_runs, clock)
    app = build_archive_app(site, pages, ArchiveDocuments(cache), levels, static)
    async with (
        open_archive_port(
            app, pages, host="127.0.0.1", port=0, shutdown_seconds=1, refused=lambda status: None
        ) as port,
        aiohttp.ClientSession() as session,
    ):
        yield ArchiveHarness(url=f"http://127.0.0.1:{port}", cache=cache, levels=levels, clock=clock, session=session)


@asynccontextmanager
async def open_newsroom_database(fresh: FreshDatabase) -> AsyncIterator[Database]:
    """With the rights of the newsroom, and no more."""
    url = fresh.build_role_url("kreisfunk_newsroom")
    async with open_database(url, password=None, name="newsroom", size=2) as database:
        yield database

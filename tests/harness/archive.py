"""The public archive on a port, with a database."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import aiohttp
import asyncpg

from deploy.local.ports import LOOPBACK
from deploy.paths import CONFIG
from services.newsroom.adapters.broadcasts import ArchiveEntryReader
from services.newsroom.adapters.statistics import PostgresStatistics
from services.newsroom.domain.archive import ArchiveEntry
from services.newsroom.domain.archive_feeds import ArchiveSite
from services.newsroom.domain.county import NewsroomCounty
from services.newsroom.handlers.archive_cache import ArchiveCache, ServiceLevelCache
from services.newsroom.http.archive_app import build_archive_app, build_error_response
from services.newsroom.http.archive_pages import ArchivePages
from services.newsroom.http.documents import StaticFiles
from shared.database.pool import open_database
from shared.notices.configuration import read_configuration
from shared.runtime.http_port import open_http_port
from tests.databases import FreshDatabase, insert_row
from tests.factories.archive import NOW
from tests.servers import connect_to_database

COUNTY_FILE = CONFIG / "county.toml"
PHONE = "+49 4791 930 9999"
KEEPS_DAYS = 365
_PUBLICATION = """
with account as (
  insert into newsroom.account (id, login, name, person, roles) values ($1, $2, 'Test', $1, '{editor}') returning id
), draft as (
  insert into newsroom.draft (id, notice, kind, state, version, created_by)
  select $1, $2, 'notice', 'published', 1, id from account returning id
)
insert into newsroom.publication (id, draft, version, revision, body) select $1, id, 1, 1, '{}' from draft
"""


@dataclass
class TurnedClock:
    """A clock that a test sets."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True, kw_only=True)
class ArchiveHarness:
    """`cache` and `levels` are refreshed by the test; `database` is the owner's connection."""

    url: str
    database: asyncpg.Connection = field(repr=False)
    cache: ArchiveCache
    levels: ServiceLevelCache
    clock: TurnedClock
    session: aiohttp.ClientSession = field(repr=False)

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with self.session.get(self.url + path, headers=headers, allow_redirects=False) as response:
            return response.status, await response.text()

    async def read(self, path: str) -> str:
        return (await self.get(path))[1]

    async def fill(self, *entries: ArchiveEntry) -> None:
        await insert_entries(self.database, entries)
        await self.cache.refresh()


async def insert_entries(database: asyncpg.Connection, entries: Sequence[ArchiveEntry]) -> None:
    for entry in entries:
        identifier = uuid4()
        await database.execute(_PUBLICATION, identifier, f"a{identifier.hex}")
        await insert_row(database, "newsroom.archive_entry", {**vars(entry), "publication": identifier})


@asynccontextmanager
async def run_archive(
    fresh: FreshDatabase, *, phone: str = PHONE, assets: Path = Path("/nonexistent")
) -> AsyncIterator[ArchiveHarness]:
    """Run the archive on a database, with only the rights of the newsroom."""
    county, clock = read_configuration(COUNTY_FILE, NewsroomCounty), TurnedClock()
    url = fresh.build_role_url("kreisfunk_newsroom")
    site = ArchiveSite(
        url="https://meldungen.example",
        county=county.name,
        topics={topic.id: topic.title for topic in county.topics},
        municipalities=county.municipalities,
        event_topics=frozenset({"veranstaltungen"}),
    )
    static = StaticFiles(assets)
    pages = ArchivePages(site=site, county=county, phone=phone, retention_days=KEEPS_DAYS, static=static)
    async with AsyncExitStack() as stack:
        owner = await stack.enter_async_context(connect_to_database(fresh.url))
        database = await stack.enter_async_context(open_database(url, password=None, name="newsroom", size=2))
        cache = ArchiveCache(ArchiveEntryReader(database), clock, timedelta(days=KEEPS_DAYS))
        levels = ServiceLevelCache(PostgresStatistics(database).list_runs, clock)
        http_port = open_http_port(
            build_archive_app(pages, cache, levels, static),
            host=LOOPBACK,
            port=0,
            shutdown_seconds=1,
            respond=partial(build_error_response, pages),
            refused=lambda status: None,
        )
        address = f"http://{LOOPBACK}:{await stack.enter_async_context(http_port)}"
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield ArchiveHarness(url=address, database=owner, cache=cache, levels=levels, clock=clock, session=session)

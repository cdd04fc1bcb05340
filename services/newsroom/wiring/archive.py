"""The public archive: its entries and the service level in memory, and the port that shows them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from services.newsroom.adapters.broadcasts import ArchiveEntryReader
from services.newsroom.adapters.http.archive_app import build_archive_app, open_archive_port
from services.newsroom.adapters.http.archive_documents import ArchiveDocuments
from services.newsroom.adapters.http.archive_pages import ArchivePages
from services.newsroom.adapters.http.rendering import StaticFiles
from services.newsroom.adapters.listening import PostgresListeningLog
from services.newsroom.adapters.metrics import NewsroomMetrics
from services.newsroom.domain.archive_feeds import ArchiveSite
from services.newsroom.domain.county import NewsroomCounty
from services.newsroom.handlers.archive_cache import ArchiveCache, ServiceLevelCache
from services.newsroom.settings import Settings
from shared.database.pool import Database
from shared.runtime.background import repeat, run_in_background
from shared.runtime.clock import system_clock

ARCHIVE_REFRESH_SECONDS = 2.0
SERVICE_LEVEL_SECONDS = 30.0


@asynccontextmanager
async def open_archive(
    settings: Settings,
    county: NewsroomCounty,
    database: Database,
    *,
    metrics: NewsroomMetrics,
    static: StaticFiles,
) -> AsyncIterator[None]:
    """Serve the public archive until the block ends."""
    keeps = timedelta(days=settings.archive_days)
    cache = ArchiveCache(ArchiveEntryReader(database), system_clock, keeps)
    metrics.watch_archive(cache.measure_age_seconds)
    site = ArchiveSite(
        url=settings.archive_url,
        county=county.name,
        topics={topic.id: topic.title for topic in county.topics},
        municipalities=county.municipalities,
        event_topics=settings.event_topics,
    )
    pages = ArchivePages(
        site=site,
        county=county,
        phone=settings.archive_phone or None,
        keeps_days=settings.archive_days,
        static=static,
    )
    levels = ServiceLevelCache(PostgresListeningLog(database).list_runs, system_clock)
    port = open_archive_port(
        build_archive_app(site, pages, ArchiveDocuments(cache), levels, static),
        pages,
        host=settings.archive_host,
        port=settings.archive_port,
        shutdown_seconds=settings.shutdown_seconds,
        refused=metrics.count_unparsed,
    )
    refreshing = repeat(cache.refresh, ARCHIVE_REFRESH_SECONDS), repeat(levels.refresh, SERVICE_LEVEL_SECONDS)
    async with run_in_background(*refreshing), port:
        yield

"""Composition root of the newsroom: open resources in dependency order, close them in reverse."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from services.newsroom.adapters.broadcasts import ArchiveEntryReader
from services.newsroom.adapters.config_files import find_own_system, read_approval_rules, read_templates
from services.newsroom.adapters.identity_provider import open_identity_provider
from services.newsroom.adapters.metrics import NewsroomMetrics
from services.newsroom.adapters.queue_counts import COUNTED_QUEUES
from services.newsroom.adapters.retention import build_retention_rules
from services.newsroom.domain.archive_feeds import ArchiveSite
from services.newsroom.domain.county import NewsroomCounty
from services.newsroom.handlers.archive_cache import ArchiveCache, ServiceLevelCache
from services.newsroom.http.app import build_newsroom_app
from services.newsroom.http.archive_app import build_archive_app, build_error_response
from services.newsroom.http.archive_pages import ArchivePages
from services.newsroom.http.documents import StaticFiles
from services.newsroom.http.error_pages import respond_to_malformed
from services.newsroom.http.newsroom import Newsroom
from services.newsroom.settings import Settings
from shared.amqp.connection import connect_twice
from shared.amqp.consumer import open_consumer, run_worker
from shared.amqp.inspection import count_by_queue
from shared.amqp.topology import NEWSROOM_EVENTS
from shared.database.migrations import is_migrated, require_migrated
from shared.database.pool import Database, open_database
from shared.outcome import DependencyUnavailable
from shared.runtime.background import repeat, run_in_background
from shared.runtime.clock import system_clock
from shared.runtime.http_port import open_http_port
from shared.runtime.notices_api import open_notices_api
from shared.runtime.probes import Readiness, open_internal_port
from shared.runtime.process import StopRequest
from shared.runtime.settings import read_county

NAME = "newsroom"
MIGRATIONS = Path(__file__).parent / "adapters" / "migrations"
POOL_SIZE = 10
WATCH_SECONDS = 1.0
SURVEY_SECONDS = 60.0
RETENTION_INTERVAL_SECONDS = 3_600.0
METRICS_INTERVAL_SECONDS = 5.0
QUEUE_COUNTS_INTERVAL_SECONDS = 10.0
ARCHIVE_REFRESH_SECONDS = 2.0
SERVICE_LEVEL_SECONDS = 30.0
BROKER_RETRY_SECONDS = 1.0
MAX_UNSETTLED = 20

_log = structlog.get_logger()


async def serve(settings: Settings, stop: StopRequest) -> None:
    """Run until a stop is requested, then answer the requests in flight."""
    county = read_county(settings.county_file, NewsroomCounty)
    registry = CollectorRegistry()
    metrics = NewsroomMetrics(registry)
    async with AsyncExitStack() as stack:
        pool = open_database(settings.database_url, password=settings.database_secret, name=NAME, size=POOL_SIZE)
        database = await stack.enter_async_context(pool)
        # Before the port opens: a waiting process would look alive, and dead at each restart.
        await require_migrated(database, NAME, MIGRATIONS)
        opened = asyncio.Event()
        readiness = _build_readiness(database, opened)
        await stack.enter_async_context(open_internal_port(settings, registry, readiness))
        api = open_notices_api(settings.notices_api_url, settings.notices_api_token.get_secret_value())
        notices = await stack.enter_async_context(api)
        provider = await stack.enter_async_context(open_identity_provider(settings.provider_client))
        newsroom = Newsroom(
            database,
            county,
            find_own_system(county, settings.newsroom_system),
            url=settings.newsroom_url,
            proxies=settings.proxy_networks,
            phone=settings.archive_phone,
            rules=read_approval_rules(settings.newsroom_rules_file, county),
            templates=read_templates(settings.templates_file),
            limits=settings.session_limits,
            ring=settings.ring,
            notices=notices,
            provider=provider,
            provider_label=settings.oidc_label,
            metrics=metrics,
        )
        static = StaticFiles(settings.newsroom_assets)
        if not static.has_kern:
            _log.warning("no_design_system", folder=str(settings.newsroom_assets))
        await stack.enter_async_context(_run_work(newsroom, database, settings, stop))
        await stack.enter_async_context(_open_archive(newsroom, database, settings, static))
        await stack.enter_async_context(_open_pages(newsroom, settings, static))
        opened.set()
        await stop.requested.wait()
        readiness.draining = True
        await asyncio.gather(newsroom.broadcasts.close(), newsroom.newest.close(), newsroom.handovers.close())


@asynccontextmanager
async def _run_work(
    newsroom: Newsroom, database: Database, settings: Settings, stop: StopRequest
) -> AsyncIterator[None]:
    """Run background work until the block ends, then let the consumer settle its messages and disconnect."""
    metrics = newsroom.metrics
    rules = build_retention_rules(newsroom.county.feedback_days)
    work = run_in_background(
        repeat(newsroom.ended.refresh, WATCH_SECONDS),
        repeat(newsroom.broadcasts.refresh, WATCH_SECONDS),
        repeat(newsroom.newest.refresh, WATCH_SECONDS),
        repeat(newsroom.handovers.refresh, WATCH_SECONDS),
        repeat(partial(metrics.retention.run, database, rules), RETENTION_INTERVAL_SECONDS),
        repeat(newsroom.survey.run, SURVEY_SECONDS),
        repeat(partial(metrics.refresh, database), METRICS_INTERVAL_SECONDS),
        newsroom.outbox.run(),
        repeat(newsroom.queue_counts.refresh, QUEUE_COUNTS_INTERVAL_SECONDS),
    )
    async with asyncio.TaskGroup() as tasks, work:
        consuming = tasks.create_task(_consume_events(newsroom, settings, stop))
        yield
        await asyncio.wait([consuming], timeout=stop.drain_seconds / 4)  # the ports take half of the time
        consuming.cancel()


async def _consume_events(newsroom: Newsroom, settings: Settings, stop: StopRequest) -> None:
    """Consume until a stop is requested; while the broker is unavailable, the pages keep working."""
    queue_counts = newsroom.queue_counts
    while not stop.requested.is_set():
        try:
            async with AsyncExitStack() as stack:
                consuming, publishing = await stack.enter_async_context(
                    connect_twice(settings.broker_url, password=settings.broker_secret, name=NAME)
                )
                opened = open_consumer(consuming, publishing, NEWSROOM_EVENTS, prefetch=MAX_UNSETTLED)
                consumer = await stack.enter_async_context(opened)
                stack.enter_context(queue_counts.use(partial(count_by_queue, publishing, COUNTED_QUEUES)))
                await queue_counts.refresh()
                await run_worker(consumer, lambda received: newsroom.events.handle(received.body), until=stop.requested)
        except DependencyUnavailable as error:
            _log.warning("dependency_unavailable", error=str(error))
            await asyncio.sleep(BROKER_RETRY_SECONDS)


def _open_pages(newsroom: Newsroom, settings: Settings, static: StaticFiles) -> AbstractAsyncContextManager[int]:
    """Serve the pages until the block ends, then finish the requests in flight."""
    return open_http_port(
        build_newsroom_app(newsroom, static),
        host=settings.newsroom_host,
        port=settings.newsroom_port,
        shutdown_seconds=settings.shutdown_seconds,
        respond=respond_to_malformed,
        refused=newsroom.metrics.count_unparsed,
    )


@asynccontextmanager
async def _open_archive(
    newsroom: Newsroom, database: Database, settings: Settings, static: StaticFiles
) -> AsyncIterator[None]:
    retention = timedelta(days=settings.archive_days)
    cache = ArchiveCache(ArchiveEntryReader(database), system_clock, retention)
    levels = ServiceLevelCache(newsroom.statistics.list_runs, system_clock)
    newsroom.metrics.watch_archive(cache.measure_age_seconds)
    site = ArchiveSite(url=settings.archive_url, county=newsroom.county, event_topics=settings.event_topics)
    pages = ArchivePages(site=site, phone=settings.archive_phone, retention_days=settings.archive_days, static=static)
    port = open_http_port(
        build_archive_app(pages, cache, levels, static),
        host=settings.archive_host,
        port=settings.archive_port,
        shutdown_seconds=settings.shutdown_seconds,
        respond=partial(build_error_response, pages),
        refused=newsroom.metrics.count_unparsed,
    )
    refreshing = repeat(cache.refresh, ARCHIVE_REFRESH_SECONDS), repeat(levels.refresh, SERVICE_LEVEL_SECONDS)
    async with run_in_background(*refreshing), port:
        yield


def _build_readiness(database: Database, opened: asyncio.Event) -> Readiness:
    async def is_open() -> bool:
        return opened.is_set()

    return Readiness(
        {
            "database": database.is_reachable,
            "migrations": partial(is_migrated, database, NAME, MIGRATIONS),
            "pages": is_open,
        }
    )

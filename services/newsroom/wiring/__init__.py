"""Composition root of the newsroom: open resources in dependency order, close them in reverse."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry

from services.newsroom.adapters.accounts import PostgresAccountRepository
from services.newsroom.adapters.broadcasts import BroadcastStatuses
from services.newsroom.adapters.http.broadcast_pages import BroadcastPages
from services.newsroom.adapters.http.draft_pages import DraftPages
from services.newsroom.adapters.http.error_pages import respond_to_malformed
from services.newsroom.adapters.http.feedback_pages import FeedbackPages, OverviewPages
from services.newsroom.adapters.http.guard import CookieJar, PageGuard
from services.newsroom.adapters.http.listening_pages import ListeningPages
from services.newsroom.adapters.http.operating_pages import build_operating_pages
from services.newsroom.adapters.http.people_pages import build_people_pages
from services.newsroom.adapters.http.rendering import StaticFiles
from services.newsroom.adapters.http.sending_pages import SendingPages
from services.newsroom.adapters.http.server import build_app
from services.newsroom.adapters.http.trial_pages import TrialPages
from services.newsroom.adapters.http.web_pages import PageGroup
from services.newsroom.adapters.http.withdrawal_pages import WithdrawalPages
from services.newsroom.adapters.identity_provider import open_identity_provider
from services.newsroom.adapters.listening import PostgresFeedbackLog, PostgresListeningLog
from services.newsroom.adapters.metrics import NewsroomMetrics
from services.newsroom.adapters.notices_api import open_notices_api
from services.newsroom.adapters.queue_counts import StrandedCounts
from services.newsroom.adapters.retention import build_retention_rules
from services.newsroom.adapters.sending_control import PostgresSendingControl
from services.newsroom.adapters.sessions import PostgresSessionRepository
from services.newsroom.domain.accounts import Right
from services.newsroom.domain.county import NewsroomCounty
from services.newsroom.handlers.trials import TrialService
from services.newsroom.handlers.watching import SessionWatch
from services.newsroom.ports import IdentityProvider
from services.newsroom.settings import Settings
from services.newsroom.wiring.archive import open_archive
from services.newsroom.wiring.consuming import consume_events
from services.newsroom.wiring.writing import Writing, assemble_writing
from shared.database.migrations import is_migrated, require_migrated
from shared.database.pool import Database, open_database
from shared.runtime.background import repeat, run_in_background
from shared.runtime.clock import system_clock
from shared.runtime.http_port import open_http_port
from shared.runtime.probes import Readiness, open_internal_port
from shared.runtime.process import StopRequest
from shared.runtime.settings import read_county

NAME = "newsroom"
MIGRATIONS = Path(__file__).parents[1] / "adapters" / "migrations"
POOL_SIZE = 10
WATCH_SECONDS = 1.0
SURVEY_SECONDS = 60.0
RETENTION_INTERVAL_SECONDS = 3_600.0
METRICS_INTERVAL_SECONDS = 5.0
STRANDED_SECONDS = 10.0

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Newsroom:
    """Parts of the newsroom that its pages share."""

    settings: Settings
    configuration: NewsroomCounty
    database: Database
    metrics: NewsroomMetrics
    sessions: PostgresSessionRepository
    watch: SessionWatch
    static: StaticFiles
    writing: Writing
    provider: IdentityProvider | None
    stranded: StrandedCounts


async def serve(settings: Settings, stop: StopRequest) -> None:
    """Run until a stop is requested, then answer the requests in flight."""
    configuration = read_county(settings.county_file, NewsroomCounty)
    registry = CollectorRegistry()
    metrics = NewsroomMetrics(registry)
    async with AsyncExitStack() as stack:
        pool = open_database(settings.database_url, password=settings.database_secret, name=NAME, size=POOL_SIZE)
        database = await stack.enter_async_context(pool)
        opened = asyncio.Event()
        readiness = _build_readiness(database, opened)
        host, port = settings.internal_host, settings.internal_port
        probes = open_internal_port(host=host, port=port, registry=registry, readiness=readiness)
        await stack.enter_async_context(probes)
        await require_migrated(database, NAME, MIGRATIONS)
        sessions = PostgresSessionRepository(database, settings.session_limits)
        api = open_notices_api(settings.notices_api_url, settings.notices_api_token.get_secret_value())
        notices = await stack.enter_async_context(api)
        writing = assemble_writing(settings, configuration, database, notices, metrics.count_publication)
        provider = await stack.enter_async_context(open_identity_provider(settings.provider_client))
        newsroom = Newsroom(
            settings=settings,
            configuration=configuration,
            database=database,
            metrics=metrics,
            sessions=sessions,
            watch=SessionWatch(sessions),
            static=_read_static_files(settings.newsroom_assets),
            writing=writing,
            provider=provider,
            stranded=StrandedCounts(),
        )
        await stack.enter_async_context(_run_work(newsroom, stop))
        await stack.enter_async_context(_open_ports(newsroom))
        opened.set()
        await stop.requested.wait()
        readiness.draining = True
        await asyncio.gather(writing.broadcasts.close(), writing.newest.close(), writing.handovers.close())


@asynccontextmanager
async def _open_ports(newsroom: Newsroom) -> AsyncIterator[None]:
    """Serve the archive and the pages until the block ends, then finish the requests in flight."""
    settings, metrics = newsroom.settings, newsroom.metrics
    archive = open_archive(
        settings,
        newsroom.configuration,
        newsroom.database,
        metrics=metrics,
        static=newsroom.static,
    )
    pages = open_http_port(
        build_newsroom_app(newsroom),
        host=settings.newsroom_host,
        port=settings.newsroom_port,
        shutdown_seconds=settings.shutdown_seconds,
        respond=respond_to_malformed,
        refused=metrics.count_unparsed,
    )
    async with archive, pages:
        yield


@asynccontextmanager
async def _run_work(newsroom: Newsroom, stop: StopRequest) -> AsyncIterator[None]:
    """Work until the block ends, then let the consumer settle its message and close its connections."""
    writing, metrics = newsroom.writing, newsroom.metrics
    rules = build_retention_rules(newsroom.configuration.feedback_days)
    retention = metrics.retention.build_retention(newsroom.database, rules)
    work = run_in_background(
        repeat(newsroom.watch.refresh, WATCH_SECONDS),
        repeat(writing.broadcasts.refresh, WATCH_SECONDS),
        repeat(writing.newest.refresh, WATCH_SECONDS),
        repeat(writing.handovers.refresh, WATCH_SECONDS),
        repeat(retention.run, RETENTION_INTERVAL_SECONDS),
        repeat(writing.survey.run, SURVEY_SECONDS),
        repeat(partial(metrics.refresh, newsroom.database), METRICS_INTERVAL_SECONDS),
        writing.outbox.run(),
        repeat(newsroom.stranded.refresh, STRANDED_SECONDS),
    )
    consumer = consume_events(newsroom.settings, writing.events, newsroom.stranded, stop)
    async with asyncio.TaskGroup() as tasks, work:
        consuming = tasks.create_task(consumer)
        yield
        await asyncio.wait([consuming], timeout=stop.drain_seconds / 4)  # beside the ports, which take half
        consuming.cancel()


def _read_static_files(assets: Path) -> StaticFiles:
    static = StaticFiles(assets)
    if not static.has_kern:
        _log.warning("no_design_system", folder=str(assets))
    return static


def build_newsroom_app(newsroom: Newsroom) -> web.Application:
    """Return the application with all pages."""
    settings = newsroom.settings
    cookies = CookieJar(is_secure=settings.newsroom_url.startswith("https:"))
    topics = {topic.id: topic.title for topic in newsroom.configuration.topics}
    guard = PageGuard(sessions=newsroom.sessions, cookies=cookies, origin=settings.newsroom_url, topics=topics)
    return build_app(_build_pages(newsroom, cookies), guard=guard, static=newsroom.static, metrics=newsroom.metrics)


def _build_pages(newsroom: Newsroom, cookies: CookieJar) -> list[PageGroup]:
    settings = newsroom.settings
    return [
        *_build_writing_pages(newsroom),
        *build_operating_pages(
            newsroom.database, newsroom.configuration, newsroom.stranded, newsroom.writing.resending
        ),
        *build_people_pages(
            newsroom.database,
            newsroom.sessions,
            settings.ring,
            cookies,
            proxies=settings.proxy_networks,
            provider=newsroom.provider,
            provider_label=settings.oidc_label,
            count_login=newsroom.metrics.count_login,
        ),
    ]


def _build_writing_pages(newsroom: Newsroom) -> list[PageGroup]:
    writing = newsroom.writing
    statuses, feedback = BroadcastStatuses(newsroom.database), PostgresFeedbackLog(newsroom.database)
    listening = PostgresListeningLog(newsroom.database)
    topics = {topic.id: topic.title for topic in newsroom.configuration.topics}
    return [
        OverviewPages(
            drafts=writing.drafts,
            publications=writing.publications,
            statuses=statuses,
            feedback=feedback,
            topics=topics,
            reviewing=Right.APPROVE if writing.drafting.assessor.rules.lead_euros is None else Right.COUNTERSIGN,
            read_sending=PostgresSendingControl(newsroom.database).read_limits,
            list_requests=PostgresAccountRepository(newsroom.database).list_open_requests,
        ),
        DraftPages(
            drafting=writing.drafting,
            publications=writing.publications,
            statuses=statuses,
            watch=writing.handovers,
            sessions=newsroom.watch,
            templates=writing.templates,
        ),
        SendingPages(drafting=writing.drafting, publications=writing.publications, templates=writing.templates),
        WithdrawalPages(drafting=writing.drafting, publications=writing.publications, statuses=statuses),
        TrialPages(trials=_build_trials(newsroom), phone=newsroom.settings.archive_phone),
        BroadcastPages(
            statuses=statuses,
            publications=writing.publications,
            drafting=writing.drafting,
            feedback=feedback,
            listening=listening,
            watch=writing.broadcasts,
            list_watch=writing.newest,
            resending=writing.resending,
            sessions=newsroom.watch,
            county=newsroom.configuration,
            templates=writing.templates,
            read_sending=PostgresSendingControl(newsroom.database).read_limits,
            clock=system_clock,
        ),
        FeedbackPages(feedback=feedback, topics=topics),
        ListeningPages(log=listening, topics=topics, clock=system_clock),
    ]


def _build_trials(newsroom: Newsroom) -> TrialService:
    writing = newsroom.writing
    return TrialService(
        assessor=writing.drafting.assessor,
        templates=writing.templates,
        offer=PostgresSendingControl(newsroom.database).prepare_trial,
    )


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

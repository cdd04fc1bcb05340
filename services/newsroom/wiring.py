"""Composition root of the newsroom: open resources in dependency order, close them in reverse."""

import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry

from services.newsroom.adapters.account_requests import PostgresAccountRequestRepository
from services.newsroom.adapters.accounts import PostgresAccountRepository
from services.newsroom.adapters.audit import PostgresAuditLog
from services.newsroom.adapters.http.account_pages import AccountPages
from services.newsroom.adapters.http.audit_pages import AuditPages
from services.newsroom.adapters.http.guard import CookieJar, PageGuard
from services.newsroom.adapters.http.login_pages import LoginPages
from services.newsroom.adapters.http.server import build_app, open_newsroom_port
from services.newsroom.adapters.http.static_files import StaticFiles
from services.newsroom.adapters.http.web_pages import PageGroup
from services.newsroom.adapters.login_throttle import PostgresLoginThrottle
from services.newsroom.adapters.metrics import NewsroomMetrics
from services.newsroom.adapters.password_hasher import Argon2PasswordHasher
from services.newsroom.adapters.retention import build_retention_rules
from services.newsroom.adapters.secret_sealer import KeyRingSealer
from services.newsroom.adapters.sessions import PostgresSessionRepository
from services.newsroom.handlers.account_admin import AccountAdministration
from services.newsroom.handlers.login import LoginService
from services.newsroom.handlers.session_watch import SessionWatch
from services.newsroom.settings import Settings
from shared.database.migrations import list_pending_versions
from shared.database.pool import Database, open_database
from shared.database.retention import Retention
from shared.notices.configuration import Configuration
from shared.outcome import DependencyUnavailable
from shared.runtime.background import repeat, run_in_background
from shared.runtime.clock import system_clock
from shared.runtime.probes import Readiness, open_internal_port
from shared.runtime.process import StopRequest

NAME = "newsroom"
MIGRATIONS = Path(__file__).parent / "adapters" / "migrations"
POOL_SIZE = 10
MAX_SHUTDOWN_SECONDS = 5.0
SESSION_WATCH_SECONDS = 1.0
RETENTION_INTERVAL_SECONDS = 3_600.0

_log = structlog.get_logger()


class NewsroomNotMigrated(DependencyUnavailable):
    """Error raised while the schema is not up to date; the process waits until it is migrated."""


@dataclass(frozen=True, kw_only=True)
class Newsroom:
    """Parts of the newsroom that its pages share."""

    settings: Settings
    configuration: Configuration
    database: Database
    metrics: NewsroomMetrics
    sessions: PostgresSessionRepository
    watch: SessionWatch


async def serve(settings: Settings, configuration: Configuration, stop: StopRequest) -> None:
    """Run until a stop is requested, then answer the requests in flight."""
    registry = CollectorRegistry()
    metrics = NewsroomMetrics(registry)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            open_database(settings.database_url, password=settings.database_secret, name=NAME, size=POOL_SIZE)
        )
        readiness = Readiness({"database": database.is_reachable, "migrations": partial(_is_migrated, database)})
        host, port = settings.internal_host, settings.internal_port
        await stack.enter_async_context(
            open_internal_port(host=host, port=port, registry=registry, readiness=readiness)
        )
        if not await _is_migrated(database):
            raise NewsroomNotMigrated("the schema is not up to date: run `kreisfunk migrate`")
        sessions = PostgresSessionRepository(database, settings.session_limits)
        newsroom = Newsroom(
            settings=settings,
            configuration=configuration,
            database=database,
            metrics=metrics,
            sessions=sessions,
            watch=SessionWatch(sessions),
        )
        retention = Retention(
            database=database, rules=build_retention_rules(), on_deleted=lambda kind, count: None
        )
        work = run_in_background(
            repeat(newsroom.watch.refresh, SESSION_WATCH_SECONDS), repeat(retention.run, RETENTION_INTERVAL_SECONDS)
        )
        await stack.enter_async_context(work)
        await stack.enter_async_context(
            open_newsroom_port(
                build_newsroom_app(newsroom),
                host=settings.newsroom_host,
                port=settings.newsroom_port,
                shutdown_seconds=min(MAX_SHUTDOWN_SECONDS, settings.drain_seconds / 2),
            )
        )
        await stop.requested.wait()
        readiness.draining = True


def build_newsroom_app(newsroom: Newsroom) -> web.Application:
    """Return the application with all pages."""
    settings = newsroom.settings
    static = StaticFiles(settings.newsroom_assets)
    if not static.has_kern:
        _log.warning("no_design_system", folder=str(settings.newsroom_assets))
    cookies = CookieJar(is_secure=settings.newsroom_url.startswith("https:"))
    guard = PageGuard(sessions=newsroom.sessions, cookies=cookies, origin=settings.newsroom_url)
    return build_app(_build_pages(newsroom, cookies), guard=guard, static=static, metrics=newsroom.metrics)


def _build_pages(newsroom: Newsroom, cookies: CookieJar) -> list[PageGroup]:
    database, settings = newsroom.database, newsroom.settings
    accounts, hasher, sealer = PostgresAccountRepository(database), Argon2PasswordHasher(), KeyRingSealer(settings.ring)
    login = LoginService(
        accounts=accounts,
        sessions=newsroom.sessions,
        throttle=PostgresLoginThrottle(database),
        hasher=hasher,
        sealer=sealer,
        random=secrets.token_bytes,
        clock=system_clock,
        count=newsroom.metrics.count_login,
    )
    administration = AccountAdministration(
        accounts=accounts,
        requests=PostgresAccountRequestRepository(database),
        sessions=newsroom.sessions,
        hasher=hasher,
        sealer=sealer,
        random=secrets.token_bytes,
        clock=system_clock,
    )
    return [
        LoginPages(login=login, cookies=cookies, proxies=settings.proxy_networks),
        AccountPages(administration=administration),
        AuditPages(log=PostgresAuditLog(database)),
    ]


async def _is_migrated(database: Database) -> bool:
    async with database.connection() as connection:
        return not await list_pending_versions(connection, NAME, MIGRATIONS)

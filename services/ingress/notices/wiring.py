"""Composition root of the notices API: opens the probes, then publisher and stream reader, then the API port."""

import time

from aiohttp import web
from prometheus_client import CollectorRegistry

from services.ingress.notices.api import NoticesHandlers, respond_to_error
from services.ingress.notices.auth import Authenticator, TokenFile
from services.ingress.notices.metrics import NoticesApiMetrics
from services.ingress.notices.outbox import BrokerNoticeOutbox
from services.ingress.notices.progress import ProgressStore
from services.ingress.notices.progress_feed import ProgressFeed
from services.ingress.notices.publishing import NoticeCheckClient, PublishService
from services.ingress.notices.rate_limit import TokenBuckets
from services.ingress.notices.settings import Settings
from shared.amqp.publisher import ReconnectingPublisher
from shared.amqp.stream import StreamReader
from shared.amqp.topology import PROGRESS
from shared.notices.configuration import Configuration
from shared.runtime.background import run_in_background
from shared.runtime.clock import system_clock
from shared.runtime.http_port import open_http_port
from shared.runtime.probes import Readiness, open_internal_port
from shared.runtime.process import StopRequest
from shared.runtime.settings import read_county

NAME = "notices"
PROGRESS_HISTORY = "7D"
WRONG_TOKENS_BURST, WRONG_TOKENS_PER_SECOND = 20, 1 / 3
BURST_SECONDS = 10


async def serve(settings: Settings, stop: StopRequest) -> None:
    """Serve until a stop is requested, then answer the requests in flight."""
    registry = CollectorRegistry()
    metrics, publisher = NoticesApiMetrics(registry), ReconnectingPublisher()
    readiness = Readiness({"broker": publisher.is_usable})
    reader = StreamReader(
        url=settings.broker_url,
        password=settings.broker_secret,
        name=f"{NAME} reads",
        stream=PROGRESS,
        max_age=PROGRESS_HISTORY,
    )
    app, feed = _build_app(settings, metrics, publisher, reader)
    async with (
        open_internal_port(settings, registry, readiness),
        publisher.connect_in_background(settings.broker_url, password=settings.broker_secret, name=NAME),
        run_in_background(reader.run(feed.consume)),
        open_http_port(
            app,
            host=settings.notices_api_host,
            port=settings.notices_api_port,
            shutdown_seconds=settings.shutdown_seconds,
            respond=respond_to_error,
            refused=metrics.count_unparsed,
        ),
    ):
        await stop.requested.wait()
        readiness.draining = True


def _build_app(
    settings: Settings, metrics: NoticesApiMetrics, publisher: ReconnectingPublisher, reader: StreamReader
) -> tuple[web.Application, ProgressFeed]:
    configuration = read_county(settings.county_file, Configuration)
    store = ProgressStore({source: system.name for system in configuration.systems for source in system.sources})
    outbox = BrokerNoticeOutbox(publisher, settings.login)
    checks = NoticeCheckClient(outbox.store, system_clock)
    feed = ProgressFeed(store, system_clock, lambda: reader.is_current, settings.login, checks.resolve)
    authenticator = _build_authenticator(settings, configuration, metrics)
    service = PublishService(
        configuration=configuration,
        store=outbox.store,
        feed=feed,
        checks=checks,
        clock=system_clock,
        count_events=authenticator.count_events,
        count_stored=metrics.count_stored,
    )
    handlers = NoticesHandlers(
        authenticator=authenticator,
        publish_service=service,
        feed=feed,
        metrics=metrics,
        proxies=settings.notices_api_proxy_networks,
    )
    return handlers.build_app(), feed


def _build_authenticator(settings: Settings, configuration: Configuration, metrics: NoticesApiMetrics) -> Authenticator:
    per_second = settings.notices_api_requests_per_minute / 60
    return Authenticator(
        tokens=TokenFile(settings.notices_api_tokens_file),
        configuration=configuration,
        failures=TokenBuckets(burst=WRONG_TOKENS_BURST, per_second=WRONG_TOKENS_PER_SECOND),
        requests=TokenBuckets(burst=max(1, round(per_second * BURST_SECONDS)), per_second=per_second),
        clock=system_clock,
        monotonic=time.monotonic,
        count_refused=metrics.count_refused,
    )

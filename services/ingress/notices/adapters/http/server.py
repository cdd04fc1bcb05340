"""HTTP application and port of the notices API."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from aiohttp import web

from services.ingress.notices.adapters.http.docs import add_docs_routes
from services.ingress.notices.adapters.http.error_middleware import METRICS, convert_errors, respond_to_error
from services.ingress.notices.adapters.http.notices import PUBLISH_SERVICE, check, publish
from services.ingress.notices.adapters.http.progress import (
    CLOSING,
    PROGRESS_FEED,
    close_streams,
    follow_event,
    list_notices,
)
from services.ingress.notices.adapters.http.requests import AUTHENTICATOR, MAX_BODY_BYTES, PROXIES
from services.ingress.notices.adapters.http.responses import set_security_headers
from services.ingress.notices.adapters.metrics import NoticesApiMetrics
from services.ingress.notices.handlers.auth import Authenticator
from services.ingress.notices.handlers.progress_feed import ProgressFeed
from services.ingress.notices.handlers.publishing import PublishService
from shared.runtime.client_address import Network
from shared.runtime.http_port import open_http_port


def build_app(
    *,
    authenticator: Authenticator,
    publish_service: PublishService,
    feed: ProgressFeed,
    metrics: NoticesApiMetrics,
    proxies: Sequence[Network],
) -> web.Application:
    """Return the application with all routes."""
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[convert_errors])
    app[AUTHENTICATOR], app[PUBLISH_SERVICE], app[PROGRESS_FEED], app[METRICS], app[PROXIES] = (
        authenticator,
        publish_service,
        feed,
        metrics,
        proxies,
    )
    app[CLOSING] = asyncio.Event()
    app.on_shutdown.append(close_streams)
    app.on_response_prepare.append(set_security_headers)
    app.router.add_post("/notices", publish)
    app.router.add_get("/notices", list_notices, allow_head=False)
    app.router.add_post("/notices/check", check)
    app.router.add_get("/events/{key:[0-9a-f]{32}}", follow_event, allow_head=False)
    add_docs_routes(app)
    return app


def open_api_port(
    app: web.Application, *, host: str, port: int, shutdown_seconds: float
) -> AbstractAsyncContextManager[int]:
    """Serve until the block ends, then finish the requests in flight."""
    return open_http_port(
        app,
        host=host,
        port=port,
        shutdown_seconds=shutdown_seconds,
        respond=respond_to_error,
        refused=app[METRICS].count_unparsed,
    )

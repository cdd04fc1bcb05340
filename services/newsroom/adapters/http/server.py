"""HTTP application of the newsroom."""

from collections.abc import Iterable

from aiohttp import web

from services.newsroom.adapters.http.error_pages import (
    METRICS,
    SECURITY_HEADERS,
    convert_draft_errors,
    convert_errors,
)
from services.newsroom.adapters.http.guard import MAX_BODY_BYTES, PageGuard
from services.newsroom.adapters.http.rendering import RENDERER, PageRenderer, StaticFiles
from services.newsroom.adapters.http.web_pages import PageGroup, WebPage
from services.newsroom.adapters.metrics import NewsroomMetrics
from shared.runtime.http_port import add_response_headers

PAGES: web.AppKey[tuple[WebPage, ...]] = web.AppKey("pages")


def build_app(
    groups: Iterable[PageGroup], *, guard: PageGuard, static: StaticFiles, metrics: NewsroomMetrics
) -> web.Application:
    """Return the application with the pages of all groups; their order is that of the navigation."""
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[convert_errors, convert_draft_errors])
    pages = tuple(page for group in groups for page in group.list_pages())
    app[PAGES], app[METRICS], app[RENDERER] = pages, metrics, PageRenderer(static, pages)
    add_response_headers(app, SECURITY_HEADERS)
    for page in pages:
        app.router.add_route(page.method, page.path, guard.protect(page))
    static.add_routes(app)
    return app

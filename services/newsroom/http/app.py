"""The newsroom's application, with all pages."""

from functools import partial

from aiohttp import web

from services.newsroom.http import (
    account_pages,
    audit_pages,
    broadcast_pages,
    draft_pages,
    feedback_pages,
    login_pages,
    operating_pages,
    provider_pages,
    sending_pages,
    statistics_pages,
)
from services.newsroom.http.documents import StaticFiles
from services.newsroom.http.error_pages import METRICS, SECURITY_HEADERS, convert_draft_errors, convert_errors
from services.newsroom.http.guard import MAX_BODY_BYTES, PageGuard
from services.newsroom.http.newsroom import Newsroom
from services.newsroom.http.rendering import RENDERER, PageRenderer
from shared.runtime.http_port import add_response_headers

# In the order of the navigation.
PAGES = (
    feedback_pages.OVERVIEW,
    *draft_pages.PAGES,
    *sending_pages.PAGES,
    *broadcast_pages.PAGES,
    *feedback_pages.PAGES,
    *statistics_pages.PAGES,
    *operating_pages.PAGES,
    *login_pages.PAGES,
    *provider_pages.PAGES,
    *account_pages.PAGES,
    *audit_pages.PAGES,
)


def build_newsroom_app(newsroom: Newsroom, static: StaticFiles) -> web.Application:
    guard = PageGuard(newsroom)
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[convert_errors, convert_draft_errors])
    app[METRICS], app[RENDERER] = newsroom.metrics, PageRenderer(static, PAGES, newsroom.topics)
    add_response_headers(app, SECURITY_HEADERS)
    for page in PAGES:
        app.router.add_route(page.method, page.path, partial(guard.respond, page))
    static.add_routes(app)
    return app

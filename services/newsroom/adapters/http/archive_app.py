"""The public archive on a port of its own: no session, no cookie, no script, nothing that asks the database."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from services.newsroom.adapters.http.archive_documents import (
    HTML,
    SECURITY_HEADERS,
    ArchiveDocument,
    ArchiveDocuments,
    encode_levels,
)
from services.newsroom.adapters.http.archive_pages import ArchivePages
from services.newsroom.adapters.http.rendering import StaticFiles
from services.newsroom.domain.archive import Archive, ArchiveSelection, format_code, normalize_code
from services.newsroom.domain.archive_feeds import ArchiveSite, build_atom, build_json_feed, build_rss
from services.newsroom.domain.service_level import ServiceLevel
from services.newsroom.handlers.archive_cache import ServiceLevelCache
from shared.runtime.http_port import ReportRefusal, add_response_headers, open_http_port

MAX_TYPED_CHARACTERS = 20
NOT_FOUND = ("Diese Seite gibt es nicht", "Vielleicht ist die Adresse unvollständig, oder die Meldung ist zu alt.")
UNAVAILABLE = ("Das Archiv startet gerade", "Versuchen Sie es in einigen Sekunden wieder.")
UNREADABLE = ("Diese Anfrage verstehen wir nicht", "Rufen Sie die Seite noch einmal auf.")
FAILED = ("Hier ist etwas schiefgegangen", "Der Fehler liegt bei uns. Versuchen Sie es in einigen Minuten wieder.")
_TEXTS = {404: NOT_FOUND, 503: UNAVAILABLE}
_FEEDS: dict[str, tuple[Callable[[ArchiveSite, Archive, ArchiveSelection], bytes], str]] = {
    "rss": (build_rss, "application/rss+xml; charset=utf-8"),
    "atom": (build_atom, "application/atom+xml; charset=utf-8"),
    "json": (build_json_feed, "application/feed+json; charset=utf-8"),
}
_NOT_CACHED = "no-store"
_log = structlog.get_logger()


class _ArchiveHandlers:
    """Handlers of all paths."""

    def __init__(
        self, site: ArchiveSite, pages: ArchivePages, documents: ArchiveDocuments, results: ServiceLevelCache
    ) -> None:
        self._site = site
        self._pages = pages
        self._documents = documents
        self._results = results

    async def show_list(self, request: web.Request) -> web.Response:
        selection = self._read_selection(request)
        page = _read_page(request)
        key = ("list", selection, page)
        return self._documents.get(key, lambda archive: self._pages.render_list(archive, selection, page)).respond(
            request
        )

    async def show_entry(self, request: web.Request) -> web.Response:
        """Show one notice; its address is written in one way only."""
        typed = request.match_info["code"]
        code = normalize_code(typed)
        entry = self._documents.archive.find(code) if code else None
        if entry is None:
            raise web.HTTPNotFound
        if typed != format_code(entry.code):
            return web.Response(status=301, headers={hdrs.LOCATION: f"/meldung/{format_code(entry.code)}"})
        return self._documents.get(
            ("entry", entry.code), lambda archive: self._pages.render_entry(archive, entry)
        ).respond(request)

    async def check_code(self, request: web.Request) -> web.Response:
        typed = request.query.get("code", "")[:MAX_TYPED_CHARACTERS].strip()
        code = normalize_code(typed)
        entry = self._documents.archive.find(code) if code else None
        if typed and entry is None:  # anything may be typed, so this is not worth keeping
            page = self._pages.render_check(self._documents.archive, None, typed)
            return ArchiveDocument(page.encode(), HTML, _NOT_CACHED).respond(request)
        key = ("check", code)
        return self._documents.get(key, lambda archive: self._pages.render_check(archive, entry, typed)).respond(
            request
        )

    async def show_feed(self, request: web.Request) -> web.Response:
        selection = self._read_selection(request)
        kind = request.match_info["kind"]
        build, content_type = _FEEDS[kind]
        return self._documents.get(
            (kind, selection), lambda archive: build(self._site, archive, selection), content_type
        ).respond(request)

    async def show_signup(self, request: web.Request) -> web.Response:
        return self._documents.get("signup", lambda _: self._pages.render_signup()).respond(request)

    async def show_poster(self, request: web.Request) -> web.Response:
        return self._documents.get("poster", lambda _: self._pages.render_poster()).respond(request)

    async def show_qr_code(self, request: web.Request) -> web.Response:
        return self._documents.get("qr", lambda _: self._pages.render_qr_code(), "image/svg+xml").respond(request)

    async def show_levels(self, request: web.Request) -> web.Response:
        levels = self._get_levels()
        return self._documents.get(("levels", levels), lambda _: self._pages.render_levels(levels)).respond(request)

    async def show_levels_as_json(self, request: web.Request) -> web.Response:
        levels = self._get_levels()
        return self._documents.get(
            ("levels.json", levels), lambda _: encode_levels(levels), "application/json"
        ).respond(request)

    def _get_levels(self) -> tuple[ServiceLevel, ...]:
        """Return the present results. Raises HTTPServiceUnavailable before the first."""
        if self._results.levels is None:
            raise web.HTTPServiceUnavailable
        return self._results.levels

    def _read_selection(self, request: web.Request) -> ArchiveSelection:
        """Return what is chosen in the query. Raises HTTPNotFound for an unknown topic or municipality."""
        query = request.query
        topic, municipality = query.get("thema") or None, query.get("gemeinde") or None
        if topic and topic not in self._site.topics:
            raise web.HTTPNotFound
        if municipality and municipality not in self._site.municipalities:
            raise web.HTTPNotFound
        return ArchiveSelection(topic=topic, municipality=municipality)


def _read_page(request: web.Request) -> int:
    number = request.query.get("seite", "1")
    if not number.isascii() or not number.isdecimal() or len(number) > 4 or number.startswith("0"):
        raise web.HTTPNotFound
    return int(number)


def build_archive_app(
    site: ArchiveSite,
    pages: ArchivePages,
    documents: ArchiveDocuments,
    results: ServiceLevelCache,
    static: StaticFiles,
) -> web.Application:
    """Return the application with all routes."""
    app = web.Application(middlewares=[_build_error_middleware(pages)])
    add_response_headers(app, SECURITY_HEADERS)
    handlers = _ArchiveHandlers(site, pages, documents, results)
    app.router.add_get("/", handlers.show_list)
    app.router.add_get("/meldung/{code}", handlers.show_entry)
    app.router.add_get("/pruefen", handlers.check_code)
    app.router.add_get("/anmelden", handlers.show_signup)
    app.router.add_get("/anmelden.svg", handlers.show_qr_code)
    app.router.add_get("/plakat", handlers.show_poster)
    app.router.add_get("/tempo", handlers.show_levels)
    app.router.add_get("/tempo.json", handlers.show_levels_as_json)
    app.router.add_get("/meldungen.{kind:rss|atom|json}", handlers.show_feed)
    static.add_routes(app)
    return app


def open_archive_port(
    app: web.Application,
    pages: ArchivePages,
    *,
    host: str,
    port: int,
    shutdown_seconds: float,
    refused: ReportRefusal,
) -> AbstractAsyncContextManager[int]:
    """Serve until the block ends, then finish the requests in flight."""
    return open_http_port(
        app,
        host=host,
        port=port,
        shutdown_seconds=shutdown_seconds,
        respond=lambda status: _build_error_response(pages, status),
        refused=refused,
    )


def _build_error_middleware(pages: ArchivePages) -> Middleware:
    @web.middleware
    async def respond_to_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer every error with a page that says what to do, and nothing else."""
        try:
            return await handler(request)
        except web.HTTPException as error:
            response = _build_error_response(pages, error.status)
            if hdrs.ALLOW in error.headers:
                response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
            return response
        except ConnectionError:
            raise  # the visitor is gone
        except Exception as error:  # a bug: details go to the operator's log
            _log.exception("archive_failed", cause=type(error).__name__)
            return _build_error_response(pages, 500)

    return respond_to_errors


def _build_error_response(pages: ArchivePages, status: int) -> web.Response:
    heading, advice = _TEXTS.get(status, UNREADABLE if status < 500 else FAILED)
    headers = {hdrs.CONTENT_TYPE: HTML, hdrs.CACHE_CONTROL: _NOT_CACHED}
    if status == 503:
        headers[hdrs.RETRY_AFTER] = "5"
    return web.Response(text=pages.render_error(heading, advice), status=status, headers=headers)

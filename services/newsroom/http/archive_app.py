"""Application of the public archive, on its own port: no sessions, cookies, scripts, or database queries."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec
import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from services.newsroom.domain.archive import Archive, ArchiveEntry, ArchiveSelection, format_code, normalize_code
from services.newsroom.domain.archive_feeds import ArchiveSite, build_atom, build_json_feed, build_rss
from services.newsroom.domain.service_level import PERCENT, ServiceLevel
from services.newsroom.handlers.archive_cache import ArchiveCache, ServiceLevelCache
from services.newsroom.http.archive_pages import ArchivePages
from services.newsroom.http.documents import HttpDocument, StaticFiles
from shared.runtime.http_port import add_response_headers

MAX_DOCUMENTS = 512
MAX_TYPED_CHARACTERS = 2_000  # a whole message, pasted
# Proxies may serve stale documents while they revalidate, and for a day while we are unavailable.
CACHE_CONTROL = "public, max-age=15, stale-while-revalidate=60, stale-if-error=86400"
SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
_HTML = "text/html; charset=utf-8"
_NOT_CACHED = "no-store"
_TEXTS = {
    404: ("Diese Seite gibt es nicht", "Vielleicht ist die Adresse unvollständig, oder die Meldung ist zu alt."),
    503: ("Das Archiv startet gerade", "Versuchen Sie es in einigen Sekunden wieder."),
}
_UNREADABLE = ("Diese Anfrage verstehen wir nicht", "Rufen Sie die Seite noch einmal auf.")
_FAILED = ("Hier ist etwas schiefgegangen", "Der Fehler liegt bei uns. Versuchen Sie es in einigen Minuten wieder.")
_FEEDS: dict[str, tuple[Callable[[ArchiveSite, Archive, ArchiveSelection], bytes], str]] = {
    "rss": (build_rss, "application/rss+xml; charset=utf-8"),
    "atom": (build_atom, "application/atom+xml; charset=utf-8"),
    "json": (build_json_feed, "application/feed+json; charset=utf-8"),
}
_Build = Callable[[Archive], str | bytes | None]
_log = structlog.get_logger()


class ArchiveDocuments:
    """Cache of documents built from the present state of the archive; a new state clears it."""

    def __init__(self, cache: ArchiveCache) -> None:
        self._cache = cache
        self._archive: Archive | None = None
        self._documents: OrderedDict[object, HttpDocument] = OrderedDict()

    @property
    def archive(self) -> Archive:
        """Return the present state. Raises HTTPServiceUnavailable before the first."""
        if self._cache.archive is None:
            raise web.HTTPServiceUnavailable
        return self._cache.archive

    def get(self, key: object, build: _Build, content_type: str = _HTML) -> HttpDocument:
        """Return the document of this key, built if not cached. Raises HTTPNotFound if there is none."""
        archive = self.archive
        if archive is not self._archive:
            self._archive = archive
            self._documents.clear()
        if key not in self._documents:
            content = build(archive)
            if content is None:
                raise web.HTTPNotFound
            body = content.encode() if isinstance(content, str) else content
            self._documents[key] = HttpDocument(body, content_type, CACHE_CONTROL)
            if len(self._documents) > MAX_DOCUMENTS:
                self._documents.popitem(last=False)
        self._documents.move_to_end(key)
        return self._documents[key]


class _ArchiveHandlers:
    """Request handlers, one per path."""

    def __init__(self, pages: ArchivePages, cache: ArchiveCache, results: ServiceLevelCache) -> None:
        self._pages = pages
        self._documents = ArchiveDocuments(cache)
        self._results = results

    async def show_list(self, request: web.Request) -> web.Response:
        selection, page = self._read_selection(request), _read_page(request)
        build = partial(self._pages.render_list, selection=selection, page=page)
        return self._respond(request, ("list", selection, page), build)

    async def show_entry(self, request: web.Request) -> web.Response:
        """Show one notice; redirect from other spellings of its code."""
        typed = request.match_info["code"]
        entry = self._find_entry(typed)
        if entry is None:
            raise web.HTTPNotFound
        if typed != format_code(entry.code):
            return web.Response(status=301, headers={hdrs.LOCATION: f"/meldung/{format_code(entry.code)}"})
        return self._respond(request, ("entry", entry.code), partial(self._pages.render_entry, entry=entry))

    async def check_code(self, request: web.Request) -> web.Response:
        typed = request.query.get("code", "")[:MAX_TYPED_CHARACTERS].strip()
        entry = self._find_entry(typed)
        if typed and entry is None:  # there are too many possible inputs to cache
            page = self._pages.render_check(self._documents.archive, None, typed)
            return HttpDocument(page.encode(), _HTML, _NOT_CACHED).respond(request)
        return self._respond(request, ("check", entry and entry.code), partial(self._pages.render_check, entry=entry))

    def _find_entry(self, typed: str) -> ArchiveEntry | None:
        code = normalize_code(typed)
        return self._documents.archive.find(code) if code else None

    async def show_feed(self, request: web.Request) -> web.Response:
        selection, feed_format = self._read_selection(request), request.match_info["kind"]
        build, content_type = _FEEDS[feed_format]
        return self._respond(
            request, (feed_format, selection), lambda archive: build(self._pages.site, archive, selection), content_type
        )

    async def show_for_phone(self, name: str, request: web.Request) -> web.Response:
        return self._respond(request, name, lambda _: self._pages.render_for_phone(name))

    async def show_qr_code(self, request: web.Request) -> web.Response:
        return self._respond(request, "qr", lambda _: self._pages.render_qr_code(), "image/svg+xml")

    async def show_levels(self, request: web.Request) -> web.Response:
        levels = self._get_levels()
        return self._respond(request, ("levels", levels), lambda _: self._pages.render("level", levels=levels))

    async def show_levels_as_json(self, request: web.Request) -> web.Response:
        levels = self._get_levels()
        return self._respond(request, ("json", levels), lambda _: _encode_levels(levels), "application/json")

    def _respond(self, request: web.Request, key: object, build: _Build, content_type: str = _HTML) -> web.Response:
        return self._documents.get(key, build, content_type).respond(request)

    def _get_levels(self) -> tuple[ServiceLevel, ...]:
        if self._results.levels is None:
            raise web.HTTPServiceUnavailable
        return self._results.levels

    def _read_selection(self, request: web.Request) -> ArchiveSelection:
        """Return the selection in the query. Raises HTTPNotFound for an unknown topic or municipality."""
        topic, municipality = request.query.get("thema") or None, request.query.get("gemeinde") or None
        county = self._pages.site.county
        if topic not in (None, *county.topic_ids) or municipality not in (None, *county.municipalities):
            raise web.HTTPNotFound
        return ArchiveSelection(topic=topic, municipality=municipality)


def _read_page(request: web.Request) -> int:
    number = request.query.get("seite", "1")
    if not number.isascii() or not number.isdecimal() or len(number) > 4 or number.startswith("0"):
        raise web.HTTPNotFound
    return int(number)


def _encode_levels(levels: Sequence[ServiceLevel]) -> bytes:
    return msgspec.json.encode(
        {
            "percent_accepted": PERCENT,
            "periods": [
                {
                    "days": level.days,
                    "urgent": level.is_urgent,
                    "broadcasts": level.broadcasts,
                    "messages": level.people,
                    "seconds_for_half_of_broadcasts": level.median_seconds,
                    "seconds_for_95_percent_of_broadcasts": level.p95_seconds,
                }
                for level in levels
            ],
        }
    )


def build_archive_app(
    pages: ArchivePages, cache: ArchiveCache, results: ServiceLevelCache, static: StaticFiles
) -> web.Application:
    @web.middleware
    async def respond_to_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            response = build_error_response(pages, error.status)
            if hdrs.ALLOW in error.headers:
                response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
            return response
        except ConnectionError:
            raise  # the client has disconnected
        except Exception as error:  # a bug: details go to the operator's log
            _log.exception("archive_failed", cause=type(error).__name__)
            return build_error_response(pages, 500)

    app = web.Application(middlewares=[respond_to_errors])
    add_response_headers(app, SECURITY_HEADERS)
    handlers = _ArchiveHandlers(pages, cache, results)
    app.router.add_get("/", handlers.show_list)
    app.router.add_get("/meldung/{code}", handlers.show_entry)
    app.router.add_get("/pruefen", handlers.check_code)
    app.router.add_get("/anmelden", partial(handlers.show_for_phone, "signup"))
    app.router.add_get("/anmelden.svg", handlers.show_qr_code)
    app.router.add_get("/plakat", partial(handlers.show_for_phone, "poster"))
    app.router.add_get("/tempo", handlers.show_levels)
    app.router.add_get("/tempo.json", handlers.show_levels_as_json)
    app.router.add_get("/meldungen.{kind:rss|atom|json}", handlers.show_feed)
    static.add_routes(app)
    return app


def build_error_response(pages: ArchivePages, status: int) -> web.Response:
    heading, advice = _TEXTS.get(status, _UNREADABLE if status < 500 else _FAILED)
    headers = {hdrs.CONTENT_TYPE: _HTML, hdrs.CACHE_CONTROL: _NOT_CACHED}
    if status == 503:
        headers[hdrs.RETRY_AFTER] = "5"
    return web.Response(text=pages.render("error", heading=heading, advice=advice), status=status, headers=headers)

"""Error pages, with advice and without any part of the request."""

import time
from collections.abc import Mapping

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from services.newsroom.adapters.metrics import NewsroomMetrics
from services.newsroom.domain.accounts import NotPermitted
from services.newsroom.domain.drafts import DraftConflict, DraftNotFound, DraftRefused
from services.newsroom.http.rendering import render_page
from services.newsroom.http.web_pages import FORM
from shared.outcome import DependencyUnavailable, InvalidDataError
from shared.runtime.request_metrics import get_route_path

METRICS = web.AppKey("metrics", NewsroomMetrics)
_ADVICE: Mapping[int, tuple[str, str]] = {
    403: ("Das ist nicht erlaubt", "Gehen Sie zurück und laden Sie die Seite neu."),
    404: ("Diese Seite gibt es nicht", "Die Adresse ist falsch, oder die Seite gibt es nicht mehr."),
    405: ("Das geht so nicht", "Gehen Sie zurück und benutzen Sie die Schaltfläche auf der Seite."),
    413: ("Das ist zu viel", "Kürzen Sie den Text und versuchen Sie es noch einmal."),
    503: ("Das geht gerade nicht", "Die Datenbank antwortet nicht. Versuchen Sie es in einer Minute noch einmal."),
    500: ("Das hat nicht geklappt", "Es liegt an uns. Bitte sagen Sie dem Betrieb, wann und wobei es geschah."),
}
_FALLBACK = ("Diese Anfrage war nicht zu verstehen", "Gehen Sie zurück und versuchen Sie es noch einmal.")
_CHANGED_MEANWHILE = "Der Entwurf wurde inzwischen geändert. Lesen Sie den neuen Stand, bevor Sie fortfahren."
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_log = structlog.get_logger()


@web.middleware
async def convert_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Convert all exceptions but lost connections to error pages; this is the outermost middleware."""
    started = time.monotonic()
    try:
        response = await handler(request)
    except NotPermitted as error:
        response = _render_error(request, 403, str(error))
    except web.HTTPException as error:
        response = _render_error(request, error.status)
        if hdrs.ALLOW in error.headers:
            response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
    except InvalidDataError:
        response = _render_error(request, 400)
    except DependencyUnavailable as error:
        _log.warning("dependency_unavailable", error=str(error))
        response = _render_error(request, 503)
    except ConnectionError:
        raise  # the client has disconnected
    except Exception as error:  # a bug: details go to the operator's log, not to the browser
        _log.exception("page_failed", cause=type(error).__name__)
        response = _render_error(request, 500)
    request.app[METRICS].observe_request(get_route_path(request), response.status, time.monotonic() - started)
    return response


@web.middleware
async def convert_draft_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Convert exceptions of acts on drafts to pages that explain them."""
    try:
        return await handler(request)
    except DraftNotFound:
        raise web.HTTPNotFound from None
    except DraftRefused as refused:
        return _render_refusal(request, 422, str(refused))
    except DraftConflict:
        return _render_refusal(request, 409, _CHANGED_MEANWHILE)


def _render_error(request: web.Request, status: int, reason: str = "") -> web.StreamResponse:
    title, advice = _ADVICE.get(status, _FALLBACK)
    return render_page(request, "error.html", status=status, title=title, advice=advice, reason=reason)


def _render_refusal(request: web.Request, status: int, reason: str) -> web.StreamResponse:
    back = "/".join(request.path.split("/")[:3])  # the page of the act's object
    words = request[FORM].get("reason", "") if FORM in request else ""
    return render_page(request, "draft_refused.html", status=status, reason=reason, back=back, words=words)


def respond_to_malformed(status: int) -> web.Response:
    """Return the response to malformed HTTP, without any part of the request."""
    title, advice = _ADVICE.get(status, _FALLBACK)
    return web.Response(text=f"{title}. {advice}\n", status=status)

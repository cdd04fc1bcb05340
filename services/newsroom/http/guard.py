"""Checks of every request before its page: session, rights, and origin of forms (CSRF)."""

import asyncio
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import structlog
from aiohttp import hdrs, web
from multidict import MultiDict
from yarl import URL

from services.newsroom.domain.accounts import NotPermitted
from services.newsroom.domain.login import SessionStage, Visitor, choose_destination, hash_cookie
from services.newsroom.http.draft_forms import list_filled_in
from services.newsroom.http.newsroom import Newsroom
from services.newsroom.http.rendering import render_page
from services.newsroom.http.web_pages import (
    FORM,
    VISITOR,
    Audience,
    FormData,
    WebPage,
    redirect,
)
from shared.outcome import DependencyUnavailable

MAX_BODY_BYTES = 64 * 1024
READ_TIMEOUT_SECONDS = 10.0
CSRF_FIELD = "csrf"
LOGIN_PATH = "/anmelden"
SETUP_PATH = "/einrichten"
_FORM_MEDIA = "application/x-www-form-urlencoded"
_LOGGED_OUT = (
    "Sie sind nicht mehr angemeldet, oder Sie haben sich inzwischen neu angemeldet.",
    "Die Anmeldung öffnet ein neues Fenster und führt dann zurück: Fügen Sie dort ein, was hier steht.",
    "Zur Anmeldung in einem neuen Fenster",
)
_AWAY = (
    "Die Datenbank antwortet nicht.",
    "Versuchen Sie es in einer Minute noch einmal, und sehen Sie zuerst nach, ob es doch geschehen ist.",
    "Zurück in einem neuen Fenster",
)
_FORGED = "Diese Anfrage kam nicht von einer Seite der Redaktion, oder Sie haben sich neu angemeldet."
_log = structlog.get_logger()


@dataclass(frozen=True)
class PageGuard:
    """Guard of all pages."""

    newsroom: Newsroom

    async def respond(self, page: WebPage, request: web.Request) -> web.StreamResponse:
        """Return the response of the page, or of the check if the visitor is not in its audience."""
        return_path = await self._find_return_path(request)  # before the form is read
        try:
            refusal = await self._check(page, request, _build_login_path(request, return_path))
            return await page.handler(self.newsroom, request) if refusal is None else refusal
        except DependencyUnavailable as error:
            if page.method != hdrs.METH_POST:
                raise
            self._check_origin(request)
            unsaved = self._show_unsaved(request, await _read_fields(request), return_path, is_away=True)
            if unsaved is None:
                raise
            _log.warning("dependency_unavailable", error=str(error))
            return unsaved

    async def _check(self, page: WebPage, request: web.Request, login_path: str) -> web.Response | None:
        """Return a response instead of the page's, None if the page may respond. Raises NotPermitted."""
        visitor = await self._find_visitor(request)
        if visitor is not None:
            request[VISITOR] = visitor
        refusal = _refuse_visitor(page, visitor, login_path)
        if page.method != hdrs.METH_POST or (refusal is not None and visitor is not None):
            return refusal
        self._check_origin(request)
        form = await _read_fields(request)
        csrf = form.popall(CSRF_FIELD, [""])[0]
        is_genuine = visitor is None or hmac.compare_digest(csrf.encode(), visitor.csrf.encode())
        if refusal is not None or not is_genuine:
            refusal = self._show_unsaved(request, form, login_path) or refusal
        # The session may have ended while the body was being read.
        elif visitor is None or await self._find_visitor(request) == visitor:
            request[FORM] = form
            return None
        if refusal is None:
            raise NotPermitted(_FORGED)
        return refusal

    def _show_unsaved(
        self, request: web.Request, form: FormData, next_path: str, *, is_away: bool = False
    ) -> web.Response | None:
        """Return a page with the filled-in fields, as they were not saved; None if there are none.

        With `is_away` because of the database, otherwise because the visitor is not logged in any more.
        """
        fields = list_filled_in(form, self.newsroom.topics)
        if not fields:
            return None
        reason, advice, link = _AWAY if is_away else _LOGGED_OUT
        return render_page(
            request,
            "unsaved.html",
            status=503 if is_away else 401,
            fields=fields,
            reason=reason,
            advice=advice,
            next=next_path,
            next_name=link,
            is_elsewhere=True,
        )

    async def _find_visitor(self, request: web.Request) -> Visitor | None:
        token = self.newsroom.cookies.read(request, "session")
        return await self.newsroom.sessions.find_visitor(hash_cookie(token)) if token else None

    def _check_origin(self, request: web.Request) -> None:
        """Raise NotPermitted unless the browser confirms that the form comes from one of our own pages.

        Browsers send `Sec-Fetch-Site` over https and to localhost, and `Origin` with every form.
        """
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get(hdrs.ORIGIN)
        if (site != "same-origin") if site is not None else (origin != self.newsroom.url):
            raise NotPermitted(_FORGED)

    async def _find_return_path(self, request: web.Request) -> str:
        """Return the path of the requested page; for a form, that of the page that contained it.

        Downloads and streams are not pages: a browser redirected to one would stay on the login page.
        """
        if request.method == hdrs.METH_GET:
            path, separator, query = request.path_qs.partition("?")
            return path.removesuffix(".csv").removesuffix("/strom") + separator + query
        for path in filter(None, (choose_destination(candidate, "") for candidate in self._list_candidates(request))):
            page = URL(path).without_query_params("erledigt")  # do not repeat the message about an earlier act
            page_request = request.clone(method=hdrs.METH_GET, rel_url=page)
            if (await request.app.router.resolve(page_request)).http_exception is None:
                return page.raw_path_qs
        return "/"

    def _list_candidates(self, request: web.Request) -> Iterator[str]:
        """Yield the referring page, if it is ours, then the path of the form and its parents."""
        page = request.headers.get(hdrs.REFERER, "")
        if page.startswith(f"{self.newsroom.url}/"):
            yield page.removeprefix(self.newsroom.url)
        parts = request.rel_url.raw_path.split("/")
        yield from ("/".join(parts[:length]) for length in range(len(parts), 1, -1))


def _build_login_path(request: web.Request, return_path: str) -> str:
    """Return the path of the login page that leads back; after a form it says that nothing was done."""
    parameters = [] if request.method == hdrs.METH_GET else ["abgelaufen=1"]
    parameters += [] if return_path == "/" else [f"weiter={quote(return_path, safe='')}"]
    return f"{LOGIN_PATH}?{'&'.join(parameters)}" if parameters else LOGIN_PATH


def _refuse_visitor(page: WebPage, visitor: Visitor | None, login_path: str) -> web.Response | None:
    """Return a redirect, None if the visitor may see the page. Raises NotPermitted."""
    if page.audience is Audience.EVERYBODY:
        return None
    if visitor is None:
        return redirect(login_path)
    if (visitor.stage is SessionStage.SETUP) != (page.audience is Audience.SETTING_UP):
        return redirect(SETUP_PATH if visitor.stage is SessionStage.SETUP else "/")
    if not isinstance(page.audience, Audience):
        visitor.account.require(page.audience)
    return None


async def _read_fields(request: web.Request) -> FormData:
    is_utf8 = (request.charset or "utf-8").lower() == "utf-8"
    if request.content_type != _FORM_MEDIA or not is_utf8 or hdrs.CONTENT_ENCODING in request.headers:
        raise web.HTTPUnsupportedMediaType
    try:
        async with asyncio.timeout(READ_TIMEOUT_SECONDS):
            fields = await request.post()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    except ValueError:  # not text, or too many fields
        raise web.HTTPBadRequest from None
    # PostgreSQL stores no NUL, which pasted text may contain.
    return MultiDict((name, value.replace("\0", "")) for name, value in fields.items() if isinstance(value, str))

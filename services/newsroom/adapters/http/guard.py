"""Checks of every request before its page: who sends it, whether they may, whether their own page sent it."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import hdrs, web
from multidict import MultiDict

from services.newsroom.adapters.http.draft_forms import list_filled_in
from services.newsroom.adapters.http.rendering import render_page
from services.newsroom.adapters.http.ways_back import build_login_path, find_way_back
from services.newsroom.adapters.http.web_pages import (
    FORM,
    VISITOR,
    Audience,
    FormData,
    WebPage,
    redirect,
)
from services.newsroom.domain.accounts import NotPermitted
from services.newsroom.domain.login import SessionStage, Visitor, hash_cookie
from services.newsroom.ports import SessionRepository

MAX_BODY_BYTES = 64 * 1024
READ_TIMEOUT_SECONDS = 10.0
CSRF_FIELD = "csrf"
SETUP_PATH = "/einrichten"
_FORM_MEDIA = "application/x-www-form-urlencoded"
_FORGED = "Diese Anfrage kam nicht von einer Seite der Redaktion, oder Sie haben sich neu angemeldet."


class FormUnsaved(Exception):
    """Error: this form, in which something is filled in, came after the end of its session."""

    def __init__(self, form: FormData) -> None:
        super().__init__()
        self.form = form


@dataclass(frozen=True, kw_only=True)
class CookieJar:
    """Names and attributes of our cookies; with https their prefix binds them to this host."""

    is_secure: bool

    @property
    def session(self) -> str:
        return f"{self._prefix}session"

    @property
    def device(self) -> str:
        return f"{self._prefix}device"

    @property
    def provider(self) -> str:
        return f"{self._prefix}provider"

    @property
    def _prefix(self) -> str:
        return "__Host-" if self.is_secure else "kreisfunk-"

    def set_session(self, response: web.Response, token: str) -> None:
        """Set the cookie of a session, until the browser is closed."""
        self._set(response, self.session, token)

    def set_device(self, response: web.Response, token: str, max_age: int) -> None:
        """Set the cookie by which a browser is known in which somebody has logged in."""
        self._set(response, self.device, token, max_age, "Strict")

    def set_provider(self, response: web.Response, pending: str, max_age: int) -> None:
        """Set the cookie by which this browser's way back from the identity provider is known."""
        self._set(response, self.provider, pending, max_age)

    def clear_provider(self, response: web.Response) -> None:
        self._set(response, self.provider, "", 0)

    def clear_session(self, response: web.Response) -> None:
        self._set(response, self.session, "", 0)

    def _set(
        self, response: web.Response, name: str, value: str, max_age: int | None = None, samesite: str = "Lax"
    ) -> None:
        response.set_cookie(
            name, value, max_age=max_age, httponly=True, secure=self.is_secure, samesite=samesite, path="/"
        )


@dataclass(frozen=True, kw_only=True)
class PageGuard:
    """Guard of all pages; `origin` is the newsroom's own, as browsers state it, `topics` are titles by id."""

    sessions: SessionRepository
    cookies: CookieJar
    origin: str
    topics: Mapping[str, str]

    def protect(self, page: WebPage) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Return the handler of a page that lets nobody in but its audience."""

        async def handle(request: web.Request) -> web.StreamResponse:
            login = build_login_path(request, await find_way_back(request, self.origin))
            try:
                refusal = await self._check_visitor(page, request, login)
                return await page.handler(request) if refusal is None else refusal
            except FormUnsaved as unsaved:
                return self._render_unsaved(request, unsaved.form, login)

        return handle

    async def _check_visitor(self, page: WebPage, request: web.Request, login: str) -> web.Response | None:
        """Return a response that leads elsewhere, None if the page may answer. Raises NotPermitted and FormUnsaved."""
        visitor = await self._find_visitor(request)
        if visitor is not None:
            request[VISITOR] = visitor
        refusal = _refuse_visitor(page, visitor, login)
        if page.method != hdrs.METH_POST or (refusal is not None and visitor is not None):
            return refusal
        self._check_origin(request)
        if refusal is not None:
            self._keep_form(await _read_fields(request))
            return refusal
        request[FORM] = await self._read_form(request, visitor)
        # The body may have taken its time: the session may have ended meanwhile.
        if visitor is not None and await self._find_visitor(request) != visitor:
            raise NotPermitted(_FORGED)
        return None

    async def _find_visitor(self, request: web.Request) -> Visitor | None:
        token = request.cookies.get(self.cookies.session)
        return await self.sessions.find_visitor(hash_cookie(token)) if token else None

    async def _read_form(self, request: web.Request, visitor: Visitor | None) -> FormData:
        """Return the fields of a form. Raises NotPermitted if it is not from a page of the visitor's session."""
        fields = await _read_fields(request)
        shown = fields.popall(CSRF_FIELD, [""])
        if visitor is not None and not hmac.compare_digest(shown[0].encode(), visitor.csrf.encode()):
            self._keep_form(fields)
            raise NotPermitted(_FORGED)
        return fields

    def _keep_form(self, form: FormData) -> None:
        """Raise FormUnsaved if somebody filled it in before their session ended: it is lost unless they copy it."""
        if list_filled_in(form, self.topics):
            raise FormUnsaved(form)

    def _render_unsaved(self, request: web.Request, form: FormData, login: str) -> web.Response:
        return render_page(
            request,
            "unsaved.html",
            status=401,
            fields=list_filled_in(form, self.topics),
            reason="Sie sind nicht mehr angemeldet, oder Sie haben sich inzwischen neu angemeldet.",
            advice="Die Anmeldung öffnet ein neues Fenster und führt dann zurück: Fügen Sie dort ein, was hier steht.",
            next=login,
            next_name="Zur Anmeldung in einem neuen Fenster",
            is_elsewhere=True,
        )

    def _check_origin(self, request: web.Request) -> None:
        """Raise NotPermitted unless a browser says that one of our own pages sent the form.

        Browsers send `Sec-Fetch-Site` over https and to this machine, and `Origin` with every form.
        """
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get(hdrs.ORIGIN)
        if (site != "same-origin") if site is not None else (origin != self.origin):
            raise NotPermitted(_FORGED)


def _refuse_visitor(page: WebPage, visitor: Visitor | None, login: str) -> web.Response | None:
    """Return a response that leads elsewhere, None if the visitor may enter. Raises NotPermitted."""
    if page.audience is Audience.EVERYBODY:
        return None
    if visitor is None:
        return redirect(login)
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
    except ValueError:  # not text, or more fields than anybody's form has
        raise web.HTTPBadRequest from None
    return MultiDict((name, value) for name, value in fields.items() if isinstance(value, str))

"""Checks of every request before its page: who sends it, whether they may, whether their own page sent it."""

import asyncio
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

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

MAX_BODY_BYTES = 64 * 1024
READ_TIMEOUT_SECONDS = 10.0
CSRF_FIELD = "csrf"
LOGIN_PATH = "/anmelden"
SETUP_PATH = "/einrichten"
_FORM_MEDIA = "application/x-www-form-urlencoded"
_FORGED = "Diese Anfrage kam nicht von einer Seite der Redaktion, oder Sie haben sich neu angemeldet."


@dataclass(frozen=True)
class PageGuard:
    """Guard of all pages."""

    newsroom: Newsroom

    async def respond(self, page: WebPage, request: web.Request) -> web.StreamResponse:
        """Return the page's response, but to nobody who is not its audience."""
        refusal = await self._check(page, request)
        return await page.handler(self.newsroom, request) if refusal is None else refusal

    async def _check(self, page: WebPage, request: web.Request) -> web.Response | None:
        """Return a response in place of the page's, None if the page may answer. Raises NotPermitted."""
        login, visitor = await self._build_login_path(request), await self._find_visitor(request)
        if visitor is not None:
            request[VISITOR] = visitor
        refusal = _refuse_visitor(page, visitor, login)
        if page.method != hdrs.METH_POST or (refusal is not None and visitor is not None):
            return refusal
        self._check_origin(request)
        form = await _read_fields(request)
        shown = form.popall(CSRF_FIELD, [""])[0]
        is_own = visitor is None or hmac.compare_digest(shown.encode(), visitor.csrf.encode())
        if refusal is not None or not is_own:
            refusal = self._show_unsaved(request, form, login) or refusal
        # The body may have taken its time: the session may have ended meanwhile.
        elif visitor is None or await self._find_visitor(request) == visitor:
            request[FORM] = form
            return None
        if refusal is None:
            raise NotPermitted(_FORGED)
        return refusal

    def _show_unsaved(self, request: web.Request, form: FormData, login: str) -> web.Response | None:
        """Return a page with what was filled in before the session ended, which is lost unless it is copied.

        None if nothing was.
        """
        fields = list_filled_in(form, self.newsroom.topics)
        if not fields:
            return None
        return render_page(
            request,
            "unsaved.html",
            status=401,
            fields=fields,
            reason="Sie sind nicht mehr angemeldet, oder Sie haben sich inzwischen neu angemeldet.",
            advice="Die Anmeldung öffnet ein neues Fenster und führt dann zurück: Fügen Sie dort ein, was hier steht.",
            next=login,
            next_name="Zur Anmeldung in einem neuen Fenster",
            is_elsewhere=True,
        )

    async def _find_visitor(self, request: web.Request) -> Visitor | None:
        token = self.newsroom.cookies.read(request, "session")
        return await self.newsroom.sessions.find_visitor(hash_cookie(token)) if token else None

    def _check_origin(self, request: web.Request) -> None:
        """Raise NotPermitted unless a browser says that one of our own pages sent the form.

        Browsers send `Sec-Fetch-Site` over https and to this machine, and `Origin` with every form.
        """
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get(hdrs.ORIGIN)
        if (site != "same-origin") if site is not None else (origin != self.newsroom.url):
            raise NotPermitted(_FORGED)

    async def _build_login_path(self, request: web.Request) -> str:
        """Return the address of the login that leads back; of a form it says that it was not carried out.

        Has to be called before the form is read.
        """
        way_back = await self._find_way_back(request)
        said = [] if request.method == hdrs.METH_GET else ["abgelaufen=1"]
        said += [] if way_back == "/" else [f"weiter={quote(way_back, safe='')}"]
        return f"{LOGIN_PATH}?{'&'.join(said)}" if said else LOGIN_PATH

    async def _find_way_back(self, request: web.Request) -> str:
        """Return the path of the page that the request is for; of a form, that of the page on which it stood.

        A table and a stream are no pages: a browser that is led to one stays on the login.
        """
        if request.method == hdrs.METH_GET:
            path, mark, query = request.path_qs.partition("?")
            return path.removesuffix(".csv").removesuffix("/strom") + mark + query
        for path in filter(None, (choose_destination(each, "") for each in self._list_possible(request))):
            page = URL(path).without_query_params("erledigt")  # what was done before is not said once more
            asked = request.clone(method=hdrs.METH_GET, rel_url=page)
            if (await request.app.router.resolve(asked)).http_exception is None:
                return page.raw_path_qs
        return "/"

    def _list_possible(self, request: web.Request) -> Iterator[str]:
        """Yield the page that the browser names, if it is ours, and then what is at the form's address and above it."""
        page = request.headers.get(hdrs.REFERER, "")
        if page.startswith(f"{self.newsroom.url}/"):
            yield page.removeprefix(self.newsroom.url)
        parts = request.rel_url.raw_path.split("/")
        yield from ("/".join(parts[:length]) for length in range(len(parts), 1, -1))


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

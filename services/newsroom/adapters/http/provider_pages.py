"""Pages to log in over the county's identity provider, and to connect an account with it the first time."""

from dataclasses import dataclass

import structlog
from aiohttp import web

from services.newsroom.adapters.http.guard import SETUP_PATH, CookieJar
from services.newsroom.adapters.http.rendering import render_page
from services.newsroom.adapters.http.ways_back import LOGIN_PATH
from services.newsroom.adapters.http.web_pages import (
    VISITOR,
    Audience,
    PageHandler,
    WebPage,
    get_form,
    get_visitor,
    redirect,
)
from services.newsroom.domain.accounts import AccountProblem, Right
from services.newsroom.domain.identity import PENDING_LIFETIME, RETURN_PATH, IdentityRefused
from services.newsroom.domain.login import choose_destination
from services.newsroom.handlers.login import StartedSession
from services.newsroom.handlers.provider_login import BegunLogin, ProviderLogin
from services.newsroom.ports import AccountRepository, ProviderAway

PROVIDER_PATH = f"{LOGIN_PATH}/extern"
CONNECT_PATH = f"{SETUP_PATH}/extern"
_AWAY = ("Der Anmeldedienst antwortet nicht.", "Versuchen Sie es in einer Minute noch einmal.")
_REFUSED = (
    "Anmeldung nicht möglich.",
    "Beginnen Sie bitte noch einmal. Diese Anmeldung ist abgebrochen oder abgelaufen.",
)
_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class ProviderPages:
    """Pages of logins over the identity provider; without one there are none."""

    external: ProviderLogin | None
    accounts: AccountRepository
    cookies: CookieJar

    def list_pages(self) -> tuple[WebPage, ...]:
        everybody, setting_up = Audience.EVERYBODY, Audience.SETTING_UP
        return (
            WebPage(method="GET", path=PROVIDER_PATH, handler=_catch(self.begin), audience=everybody),
            WebPage(method="GET", path=RETURN_PATH, handler=_catch(self.finish), audience=everybody),
            WebPage(method="GET", path=f"{PROVIDER_PATH}/abmelden", handler=_catch(self.log_out), audience=everybody),
            WebPage(method="GET", path=CONNECT_PATH, handler=_catch(self.begin_connecting), audience=setting_up),
            WebPage(method="POST", path=CONNECT_PATH, handler=_catch(self.connect), audience=setting_up),
        )

    async def begin(self, request: web.Request) -> web.Response:
        external, destination = self._get_external(), request.query.get("weiter", "")
        if VISITOR in request:  # another's page shall not send anybody into another account
            return redirect(choose_destination(destination))
        return self._send_away(await external.begin(destination))

    async def begin_connecting(self, request: web.Request) -> web.Response:
        return self._send_away(await self._get_external().begin("/", get_visitor(request)))

    async def finish(self, request: web.Request) -> web.Response:
        """Let whoever the provider names in, or ask whether their account is to be connected."""
        external = self._get_external()
        pending, identity = await external.finish(request.cookies.get(self.cookies.provider, ""), request.query)
        if pending.session:
            sealed = external.prepare_connection(pending, identity, request.get(VISITOR))
            response = render_page(request, "connect.html", identity=identity, sealed=sealed, problem="")
            self.cookies.clear_provider(response)
            return response
        started = await external.log_in(identity)
        if started is None:
            response = await self._render_stranger(request, identity.name)
            self.cookies.clear_provider(response)
            return response
        if VISITOR in request:
            await external.login.log_out(get_visitor(request))  # opened meanwhile; this browser now forgets it
        return self._set_cookies(redirect(pending.destination), started)

    async def connect(self, request: web.Request) -> web.Response:
        external, visitor = self._get_external(), get_visitor(request)
        try:
            started = await external.connect(visitor, get_form(request).get("identity", ""))
        except AccountProblem as problem:
            return render_page(request, "connect.html", status=409, identity=None, sealed="", problem=str(problem))
        return self._set_cookies(redirect("/"), started)

    async def log_out(self, request: web.Request) -> web.Response:
        """Send the browser to where it logs out of the provider; here it is already logged out."""
        external = self._get_external()
        return _redirect_away(await external.provider.find_logout_url() or LOGIN_PATH)

    async def _render_stranger(self, request: web.Request, name: str) -> web.Response:
        accounts = await self.accounts.list_accounts()
        contacts = [account.name for account in accounts if account.may(Right.MANAGE_ACCOUNTS)]
        return render_page(request, "stranger.html", status=403, name=name, contacts=contacts)

    def _get_external(self) -> ProviderLogin:
        if self.external is None:
            raise web.HTTPNotFound
        return self.external

    def _send_away(self, begun: BegunLogin) -> web.Response:
        response = _redirect_away(begun.url)
        self.cookies.set_provider(response, begun.cookie, int(PENDING_LIFETIME.total_seconds()))
        return response

    def _set_cookies(self, response: web.Response, started: StartedSession) -> web.Response:
        self.cookies.set_session(response, started.token)
        self.cookies.clear_provider(response)
        return response


def _redirect_away(url: str) -> web.Response:
    """Return a response that leads to the identity provider: its address is in its metadata, not in a request."""
    return web.Response(status=303, headers={"Location": url})


def _catch(handler: PageHandler) -> PageHandler:
    """Return the handler with a login page that says what went wrong."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except IdentityRefused as refused:
            _log.warning("identity_refused", reason=str(refused))
            status, (problem, advice) = 403, _REFUSED
        except ProviderAway as away:
            _log.warning("identity_provider_away", reason=str(away))
            status, (problem, advice) = 503, _AWAY
        return render_page(request, "provider_failed.html", status=status, problem=problem, advice=advice)

    return handle

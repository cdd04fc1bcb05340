"""Pages to log in through the county's identity provider, and to connect an account to it."""

from collections.abc import Awaitable, Callable
from functools import partial

import structlog
from aiohttp import web

from services.newsroom.adapters.identity_provider import ProviderUnavailable
from services.newsroom.domain.accounts import AccountProblem, Right
from services.newsroom.domain.identity import PENDING_LIFETIME, RETURN_PATH, IdentityRefused
from services.newsroom.domain.login import choose_destination
from services.newsroom.handlers.provider_login import ProviderLogin
from services.newsroom.http.guard import LOGIN_PATH, SETUP_PATH
from services.newsroom.http.newsroom import Newsroom
from services.newsroom.http.rendering import render_page
from services.newsroom.http.web_pages import FORM, VISITOR, Audience, WebPage, redirect

PROVIDER_PATH = f"{LOGIN_PATH}/extern"
CONNECT_PATH = f"{SETUP_PATH}/extern"
_COOKIE = "provider"
_UNAVAILABLE = ("Der Anmeldedienst antwortet nicht.", "Versuchen Sie es in einer Minute noch einmal.")
_REFUSED = (
    "Anmeldung nicht möglich.",
    "Beginnen Sie bitte noch einmal. Diese Anmeldung ist abgebrochen oder abgelaufen.",
)
_Handler = Callable[[ProviderLogin, Newsroom, web.Request], Awaitable[web.Response]]
_log = structlog.get_logger()


async def _respond(handler: _Handler, newsroom: Newsroom, request: web.Request) -> web.Response:
    """Return the handler's response, or an error page. Raises HTTPNotFound if there is no provider."""
    if newsroom.external is None:
        raise web.HTTPNotFound
    try:
        return await handler(newsroom.external, newsroom, request)
    except IdentityRefused as refused:
        _log.warning("identity_refused", reason=str(refused))
        status, (problem, advice) = 403, _REFUSED
    except ProviderUnavailable as error:
        _log.warning("identity_provider_unavailable", reason=str(error))
        status, (problem, advice) = 503, _UNAVAILABLE
    return render_page(request, "provider_failed.html", status=status, problem=problem, advice=advice)


async def begin(external: ProviderLogin, newsroom: Newsroom, request: web.Request) -> web.Response:
    destination = request.query.get("weiter", "")
    if VISITOR in request:  # a foreign page must not switch the visitor to another account
        return redirect(choose_destination(destination))
    return _redirect_to_provider(newsroom, *await external.begin(destination))


async def begin_connecting(external: ProviderLogin, newsroom: Newsroom, request: web.Request) -> web.Response:
    return _redirect_to_provider(newsroom, *await external.begin("/", request[VISITOR]))


def _redirect_to_provider(newsroom: Newsroom, url: str, cookie: str) -> web.Response:
    response = redirect(url)
    newsroom.cookies.set(response, _COOKIE, cookie, int(PENDING_LIFETIME.total_seconds()))
    return response


async def finish(external: ProviderLogin, newsroom: Newsroom, request: web.Request) -> web.Response:
    """Log in the user whom the provider identified, or ask whether to connect their account."""
    pending, identity = await external.finish(newsroom.cookies.read(request, _COOKIE) or "", request.query)
    if pending.session:
        encrypted_identity = external.prepare_connection(pending, identity, request.get(VISITOR))
        response = render_page(
            request, "connect.html", identity=identity, encrypted_identity=encrypted_identity, problem=""
        )
    elif started := await external.log_in(identity):
        if VISITOR in request:
            await newsroom.login.log_out(request[VISITOR])  # opened meanwhile, and replaced in this browser
        response = redirect(pending.destination)
        newsroom.cookies.set(response, "session", started.token)
    else:
        accounts = await newsroom.accounts.list_accounts()
        contacts = [account.name for account in accounts if account.may(Right.MANAGE_ACCOUNTS)]
        response = render_page(request, "stranger.html", status=403, name=identity.name, contacts=contacts)
    newsroom.cookies.clear(response, _COOKIE)
    return response


async def connect(external: ProviderLogin, newsroom: Newsroom, request: web.Request) -> web.Response:
    try:
        started = await external.connect(request[VISITOR], request[FORM].get("identity", ""))
    except AccountProblem as problem:
        return render_page(request, "connect.html", status=409, problem=str(problem))
    response = redirect("/")
    newsroom.cookies.set(response, "session", started.token)
    return response


async def log_out(external: ProviderLogin, _: Newsroom, __: web.Request) -> web.Response:
    """Redirect to the logout page of the provider; here the browser is already logged out."""
    return redirect(await external.provider.find_logout_url() or LOGIN_PATH)


PAGES = (
    WebPage("GET", PROVIDER_PATH, partial(_respond, begin), Audience.EVERYBODY),
    WebPage("GET", RETURN_PATH, partial(_respond, finish), Audience.EVERYBODY),
    WebPage("GET", f"{PROVIDER_PATH}/abmelden", partial(_respond, log_out), Audience.EVERYBODY),
    WebPage("GET", CONNECT_PATH, partial(_respond, begin_connecting), Audience.SETTING_UP),
    WebPage("POST", CONNECT_PATH, partial(_respond, connect), Audience.SETTING_UP),
)

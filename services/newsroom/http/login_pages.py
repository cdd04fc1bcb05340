"""Pages for login, logout, first setup of a login, and the own profile."""

import math

import segno
from aiohttp import hdrs, web

from services.newsroom.domain.login import MAX_LOGIN_LENGTH, build_totp_uri, choose_destination
from services.newsroom.handlers.login import (
    LoginBusy,
    LoginRefused,
    SetupRefused,
    StartedSession,
)
from services.newsroom.http.guard import LOGIN_PATH, SETUP_PATH
from services.newsroom.http.newsroom import Newsroom
from services.newsroom.http.rendering import render_page
from services.newsroom.http.web_pages import FORM, VISITOR, Audience, WebPage, redirect
from shared.runtime.client_address import find_client_address

DEVICE_MAX_AGE_SECONDS = 180 * 86_400
PROFILE_PATH = "/profil"
LOGGED_IN_PATH = "/angemeldet"  # shown after logging in again in a second window while writing in the first
_WRONG = (
    403,
    "Anmeldung nicht möglich.",
    "Anmeldename, Kennwort oder Einmalcode ist falsch. Jeder Einmalcode gilt nur einmal.",
)
_BUSY = 503, "Gerade melden sich sehr viele an.", "Bitte versuchen Sie es in einer Minute noch einmal."
_NOTHING_WRONG = 200, "", ""
_DONE = {"kennwort": "Ihr Kennwort ist geändert.", "sitzungen": "Alle anderen Sitzungen sind beendet."}


async def show_login(newsroom: Newsroom, request: web.Request) -> web.Response:
    if VISITOR in request:
        return redirect(choose_destination(request.query.get("weiter", "")))
    return _render_login(newsroom, request, request.query.get("weiter", ""))


async def log_in(newsroom: Newsroom, request: web.Request) -> web.Response:
    form = request[FORM]
    login, destination = form.get("login", ""), form.get("weiter", "")
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
    address = find_client_address(request.remote, forwarded, newsroom.proxies)
    password, code, device = form.get("password", ""), form.get("code", ""), newsroom.cookies.read(request, "device")
    try:
        started = await newsroom.login.log_in(login, password, code, address, device)
    except LoginRefused as refused:
        wait = refused.wait_seconds
        message = (429, "Zu viele Versuche.", _describe_wait(wait)) if wait else _WRONG
        return _render_login(newsroom, request, destination, login, message)
    except LoginBusy:
        response = _render_login(newsroom, request, destination, login, _BUSY)
        response.headers[hdrs.RETRY_AFTER] = "60"
        return response
    return _set_cookies(newsroom, redirect(choose_destination(destination)), started)


async def show_logged_in(_: Newsroom, request: web.Request) -> web.Response:
    return render_page(request, "logged_in.html")


async def log_out(newsroom: Newsroom, request: web.Request) -> web.Response:
    if VISITOR in request:
        await newsroom.login.log_out(request[VISITOR])
    response = redirect(f"{LOGIN_PATH}?abgemeldet=1")
    newsroom.cookies.clear(response, "session")
    return response


async def show_setup(newsroom: Newsroom, request: web.Request) -> web.Response:
    return _render_setup(newsroom, request, newsroom.login.begin_setup(request[VISITOR]))


async def set_up(newsroom: Newsroom, request: web.Request) -> web.Response:
    form, visitor = request[FORM], request[VISITOR]
    ciphertext = form.get("secret", "")
    try:
        started, codes = await newsroom.login.set_up(
            visitor, password=form.get("password", ""), code=form.get("code", ""), ciphertext=ciphertext
        )
    except SetupRefused as refused:
        return _render_setup(newsroom, request, ciphertext, problems=refused.problems, status=422)
    return _set_cookies(newsroom, render_page(request, "recovery_codes.html", codes=codes), started)


async def change_password(newsroom: Newsroom, request: web.Request) -> web.Response:
    form = request[FORM]
    fields = {name: form.get(name, "") for name in ("current", "new", "code")}
    try:
        await newsroom.login.change_password(request[VISITOR], **fields)
    except (SetupRefused, LoginRefused) as refused:
        return await _show_refused(newsroom, request, refused)
    return redirect(f"{PROFILE_PATH}?erledigt=kennwort")


async def replace_codes(newsroom: Newsroom, request: web.Request) -> web.Response:
    form = request[FORM]
    fields = {name: form.get(f"codes_{name}", "") for name in ("current", "code")}
    try:
        codes = await newsroom.login.replace_recovery_codes(request[VISITOR], **fields)
    except (SetupRefused, LoginRefused) as refused:
        return await _show_refused(newsroom, request, refused, "codes_")
    return render_page(request, "recovery_codes.html", codes=codes)


async def _show_refused(
    newsroom: Newsroom, request: web.Request, refused: SetupRefused | LoginRefused, prefix: str = ""
) -> web.Response:
    """Show the profile with the problems, in the form whose fields have this prefix."""
    if isinstance(refused, SetupRefused):
        problems = {f"{prefix}{name}": problem for name, problem in refused.problems.items()}
        return await show_profile(newsroom, request, problems=problems, status=422)
    problems = {f"{prefix}current": _describe_wait(refused.wait_seconds)}
    return await show_profile(newsroom, request, problems=problems, status=429)


async def end_others(newsroom: Newsroom, request: web.Request) -> web.Response:
    await newsroom.login.end_other_sessions(request[VISITOR])
    return redirect(f"{PROFILE_PATH}?erledigt=sitzungen")


async def show_profile(
    newsroom: Newsroom, request: web.Request, problems: object = None, status: int = 200
) -> web.Response:
    visitor = request[VISITOR]
    return render_page(
        request,
        "profile.html",
        status=status,
        done=_DONE.get(request.query.get("erledigt", ""), ""),
        problems=problems or {},
        sessions=await newsroom.sessions.list_sessions(visitor.account.id),
    )


def _set_cookies(newsroom: Newsroom, response: web.Response, started: StartedSession) -> web.Response:
    newsroom.cookies.set(response, "session", started.token)
    if started.device is not None:
        newsroom.cookies.set(response, "device", started.device, DEVICE_MAX_AGE_SECONDS, "Strict")
    return response


def _render_login(
    newsroom: Newsroom,
    request: web.Request,
    destination: str,
    login: str = "",
    message: tuple[int, str, str] = _NOTHING_WRONG,
) -> web.Response:
    """Return the login page; `message` is status, problem and advice."""
    status, problem, advice = message
    return render_page(
        request,
        "login.html",
        status=status,
        destination=choose_destination(destination, ""),
        login=login[:MAX_LOGIN_LENGTH],
        problem=problem,
        advice=advice,
        logged_out="abgemeldet" in request.query,
        expired="abgelaufen" in request.query,
        provider=newsroom.provider_label,
    )


def _render_setup(
    newsroom: Newsroom, request: web.Request, ciphertext: str, problems: object = None, status: int = 200
) -> web.Response:
    visitor = request[VISITOR]
    secret = newsroom.login.read_setup(visitor, ciphertext)
    return render_page(
        request,
        "setup.html",
        status=status,
        problems=problems or {},
        encrypted_secret=ciphertext,
        secret=" ".join(secret[index : index + 4] for index in range(0, len(secret), 4)),
        provider=newsroom.provider_label,
        qr=segno.make(build_totp_uri(secret, visitor.account.login)).svg_data_uri(scale=6),
    )


def _describe_wait(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    how_long = "eine Minute" if minutes <= 1 else f"{minutes} Minuten"
    return f"Bitte warten Sie {how_long}, und versuchen Sie es dann noch einmal."


PAGES = (
    WebPage("GET", LOGIN_PATH, show_login, Audience.EVERYBODY),
    WebPage("POST", LOGIN_PATH, log_in, Audience.EVERYBODY),
    WebPage("GET", LOGGED_IN_PATH, show_logged_in, Audience.LOGGED_IN),
    WebPage("POST", "/abmelden", log_out, Audience.EVERYBODY),
    WebPage("GET", SETUP_PATH, show_setup, Audience.SETTING_UP),
    WebPage("POST", SETUP_PATH, set_up, Audience.SETTING_UP),
    WebPage("GET", PROFILE_PATH, show_profile, Audience.LOGGED_IN),
    WebPage("POST", f"{PROFILE_PATH}/kennwort", change_password, Audience.LOGGED_IN),
    WebPage("POST", f"{PROFILE_PATH}/codes", replace_codes, Audience.LOGGED_IN),
    WebPage("POST", f"{PROFILE_PATH}/sitzungen", end_others, Audience.LOGGED_IN),
)

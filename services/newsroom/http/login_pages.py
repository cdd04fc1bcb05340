"""Pages to log in and out, to set up a login the first time, and to look after one's own."""

import math
from dataclasses import dataclass

import segno
from aiohttp import hdrs, web

from services.newsroom.domain.login import MAX_LOGIN_LENGTH, build_totp_uri, choose_destination
from services.newsroom.handlers.login import (
    LoginAttempt,
    LoginBusy,
    LoginRefused,
    LoginService,
    SetupRefused,
    SetupSecret,
    StartedSession,
)
from services.newsroom.http.guard import LOGIN_PATH, SETUP_PATH, CookieJar
from services.newsroom.http.rendering import render_page
from services.newsroom.http.web_pages import FORM, VISITOR, Audience, WebPage, redirect
from shared.runtime.client_address import Network, find_client_address

DEVICE_MAX_AGE_SECONDS = 180 * 86_400
PROFILE_PATH = "/profil"
LOGGED_IN_PATH = "/angemeldet"  # the end of a login in another window, beside which somebody writes
_WRONG = (
    403,
    "Anmeldung nicht möglich.",
    "Anmeldename, Kennwort oder Einmalcode ist falsch. Jeder Einmalcode gilt nur einmal.",
)
_BUSY = 503, "Gerade melden sich sehr viele an.", "Bitte versuchen Sie es in einer Minute noch einmal."
_NOTHING_WRONG = 200, "", ""
_DONE = {"kennwort": "Ihr Kennwort ist geändert.", "sitzungen": "Alle anderen Sitzungen sind beendet."}


@dataclass(frozen=True, kw_only=True)
class LoginPages:
    """Pages of the login; `provider` is on the button of the identity provider, empty without one."""

    login: LoginService
    cookies: CookieJar
    proxies: tuple[Network, ...]
    provider: str

    def list_pages(self) -> tuple[WebPage, ...]:
        everybody, setting_up, logged_in = Audience.EVERYBODY, Audience.SETTING_UP, Audience.LOGGED_IN
        return (
            WebPage("GET", LOGIN_PATH, self.show_login, everybody),
            WebPage("POST", LOGIN_PATH, self.log_in, everybody),
            WebPage("GET", LOGGED_IN_PATH, self.show_logged_in, logged_in),
            WebPage("POST", "/abmelden", self.log_out, everybody),
            WebPage("GET", SETUP_PATH, self.show_setup, setting_up),
            WebPage("POST", SETUP_PATH, self.set_up, setting_up),
            WebPage("GET", PROFILE_PATH, self.show_profile, logged_in),
            WebPage("POST", f"{PROFILE_PATH}/kennwort", self.change_password, logged_in),
            WebPage("POST", f"{PROFILE_PATH}/codes", self.replace_codes, logged_in),
            WebPage("POST", f"{PROFILE_PATH}/sitzungen", self.end_others, logged_in),
        )

    async def show_login(self, request: web.Request) -> web.Response:
        if VISITOR in request:
            return redirect(choose_destination(request.query.get("weiter", "")))
        return self._render_login(request, request.query.get("weiter", ""))

    async def log_in(self, request: web.Request) -> web.Response:
        form = request[FORM]
        login, destination = form.get("login", ""), form.get("weiter", "")
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
        attempt = LoginAttempt(
            login=login,
            password=form.get("password", ""),
            code=form.get("code", ""),
            address=find_client_address(request.remote, forwarded, self.proxies),
            device=self.cookies.read(request, "device"),
        )
        try:
            started = await self.login.log_in(attempt)
        except LoginRefused as refused:
            wait = refused.wait_seconds
            said = (429, "Zu viele Versuche.", _describe_wait(wait)) if wait else _WRONG
            return self._render_login(request, destination, login, said)
        except LoginBusy:
            response = self._render_login(request, destination, login, _BUSY)
            response.headers[hdrs.RETRY_AFTER] = "60"
            return response
        return self._set_cookies(redirect(choose_destination(destination)), started)

    async def show_logged_in(self, request: web.Request) -> web.Response:
        return render_page(request, "logged_in.html")

    async def log_out(self, request: web.Request) -> web.Response:
        if VISITOR in request:
            await self.login.log_out(request[VISITOR])
        response = redirect(f"{LOGIN_PATH}?abgemeldet=1")
        self.cookies.clear(response, "session")
        return response

    async def show_setup(self, request: web.Request) -> web.Response:
        return self._render_setup(request, self.login.begin_setup(request[VISITOR]))

    async def set_up(self, request: web.Request) -> web.Response:
        form, visitor = request[FORM], request[VISITOR]
        sealed = form.get("secret", "")
        try:
            started, codes = await self.login.set_up(
                visitor, password=form.get("password", ""), code=form.get("code", ""), sealed=sealed
            )
        except SetupRefused as refused:
            secret = self.login.resume_setup(visitor, sealed)
            return self._render_setup(request, secret, problems=refused.problems, status=422)
        return self._set_cookies(render_page(request, "recovery_codes.html", codes=codes), started)

    async def change_password(self, request: web.Request) -> web.Response:
        form = request[FORM]
        filled_in = {name: form.get(name, "") for name in ("current", "new", "code")}
        try:
            await self.login.change_password(request[VISITOR], **filled_in)
        except (SetupRefused, LoginRefused) as refused:
            return await self._show_refused(request, refused)
        return redirect(f"{PROFILE_PATH}?erledigt=kennwort")

    async def replace_codes(self, request: web.Request) -> web.Response:
        form = request[FORM]
        filled_in = {name: form.get(f"codes_{name}", "") for name in ("current", "code")}
        try:
            codes = await self.login.replace_recovery_codes(request[VISITOR], **filled_in)
        except (SetupRefused, LoginRefused) as refused:
            return await self._show_refused(request, refused, "codes_")
        return render_page(request, "recovery_codes.html", codes=codes)

    async def _show_refused(
        self, request: web.Request, refused: SetupRefused | LoginRefused, prefix: str = ""
    ) -> web.Response:
        """Show the profile with what is wrong, in the form whose fields have this prefix."""
        if isinstance(refused, SetupRefused):
            problems = {f"{prefix}{name}": problem for name, problem in refused.problems.items()}
            return await self.show_profile(request, problems=problems, status=422)
        problems = {f"{prefix}current": _describe_wait(refused.wait_seconds)}
        return await self.show_profile(request, problems=problems, status=429)

    async def end_others(self, request: web.Request) -> web.Response:
        await self.login.end_other_sessions(request[VISITOR])
        return redirect(f"{PROFILE_PATH}?erledigt=sitzungen")

    async def show_profile(self, request: web.Request, problems: object = None, status: int = 200) -> web.Response:
        visitor = request[VISITOR]
        return render_page(
            request,
            "profile.html",
            status=status,
            done=_DONE.get(request.query.get("erledigt", ""), ""),
            problems=problems or {},
            sessions=await self.login.sessions.list_sessions(visitor.account.id),
        )

    def _set_cookies(self, response: web.Response, started: StartedSession) -> web.Response:
        self.cookies.set(response, "session", started.token)
        if started.device is not None:
            self.cookies.set(response, "device", started.device, DEVICE_MAX_AGE_SECONDS, "Strict")
        return response

    def _render_login(
        self, request: web.Request, destination: str, login: str = "", said: tuple[int, str, str] = _NOTHING_WRONG
    ) -> web.Response:
        """Return the page of the login, which may say what went wrong: status, problem, advice."""
        status, problem, advice = said
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
            provider=self.provider,
        )

    def _render_setup(
        self, request: web.Request, secret: SetupSecret, problems: object = None, status: int = 200
    ) -> web.Response:
        uri = build_totp_uri(secret.text, request[VISITOR].account.login)
        return render_page(
            request,
            "setup.html",
            status=status,
            problems=problems or {},
            sealed_secret=secret.sealed,
            secret=" ".join(secret.text[index : index + 4] for index in range(0, len(secret.text), 4)),
            provider=self.provider,
            qr=segno.make(uri).svg_data_uri(scale=6),
        )


def _describe_wait(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    how_long = "eine Minute" if minutes <= 1 else f"{minutes} Minuten"
    return f"Bitte warten Sie {how_long}, und versuchen Sie es dann noch einmal."

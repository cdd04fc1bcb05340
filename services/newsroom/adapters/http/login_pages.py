"""Pages to log in and out, to set up a login the first time, and to look after one's own."""

import math
from dataclasses import dataclass

import segno
from aiohttp import hdrs, web

from services.newsroom.adapters.http.guard import SETUP_PATH, CookieJar
from services.newsroom.adapters.http.rendering import render_page
from services.newsroom.adapters.http.ways_back import LOGIN_PATH
from services.newsroom.adapters.http.web_pages import (
    VISITOR,
    Audience,
    WebPage,
    get_form,
    get_visitor,
    redirect,
)
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
from shared.runtime.client_address import Network, find_client_address

DEVICE_MAX_AGE_SECONDS = 180 * 86_400
PROFILE_PATH = "/profil"
LOGGED_IN_PATH = "/angemeldet"  # the end of a login in another window, beside which somebody writes
_WRONG = (
    403,
    "Anmeldung nicht möglich.",
    "Anmeldename, Kennwort oder Einmalcode ist falsch. Jeder Einmalcode gilt nur einmal.",
)
_BUSY = "Gerade melden sich sehr viele an.", "Bitte versuchen Sie es in einer Minute noch einmal."
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
            WebPage(method="GET", path=LOGIN_PATH, handler=self.show_login, audience=everybody),
            WebPage(method="POST", path=LOGIN_PATH, handler=self.log_in, audience=everybody),
            WebPage(method="GET", path=LOGGED_IN_PATH, handler=self.show_logged_in, audience=logged_in),
            WebPage(method="POST", path="/abmelden", handler=self.log_out, audience=everybody),
            WebPage(method="GET", path=SETUP_PATH, handler=self.show_setup, audience=setting_up),
            WebPage(method="POST", path=SETUP_PATH, handler=self.set_up, audience=setting_up),
            WebPage(method="GET", path=PROFILE_PATH, handler=self.show_profile, audience=logged_in),
            WebPage(method="POST", path=f"{PROFILE_PATH}/kennwort", handler=self.change_password, audience=logged_in),
            WebPage(method="POST", path=f"{PROFILE_PATH}/codes", handler=self.replace_codes, audience=logged_in),
            WebPage(method="POST", path=f"{PROFILE_PATH}/sitzungen", handler=self.end_others, audience=logged_in),
        )

    async def show_login(self, request: web.Request) -> web.Response:
        if VISITOR in request:
            return redirect(choose_destination(request.query.get("weiter", "")))
        return self._render_login(request, destination=request.query.get("weiter", ""))

    async def log_in(self, request: web.Request) -> web.Response:
        form = get_form(request)
        login, destination = form.get("login", ""), form.get("weiter", "")
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
        attempt = LoginAttempt(
            login=login,
            password=form.get("password", ""),
            code=form.get("code", ""),
            address=find_client_address(request.remote, forwarded, self.proxies),
            device=request.cookies.get(self.cookies.device),
        )
        try:
            started = await self.login.log_in(attempt)
        except LoginRefused as refused:
            return self._render_refusal(request, refused, login, destination)
        except LoginBusy:
            return self._render_busy(request, login, destination)
        return self._set_cookies(redirect(choose_destination(destination)), started)

    async def show_logged_in(self, request: web.Request) -> web.Response:
        return render_page(request, "logged_in.html")

    async def log_out(self, request: web.Request) -> web.Response:
        if VISITOR in request:
            await self.login.log_out(get_visitor(request))
        response = redirect(f"{LOGIN_PATH}?abgemeldet=1")
        self.cookies.clear_session(response)
        return response

    async def show_setup(self, request: web.Request) -> web.Response:
        return self._render_setup(request, self.login.begin_setup(get_visitor(request)))

    async def set_up(self, request: web.Request) -> web.Response:
        form, visitor = get_form(request), get_visitor(request)
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
        form = get_form(request)
        filled_in = {name: form.get(name, "") for name in ("current", "new", "code")}
        try:
            await self.login.change_password(get_visitor(request), **filled_in)
        except (SetupRefused, LoginRefused) as refused:
            return await self._show_refused(request, refused)
        return redirect(f"{PROFILE_PATH}?erledigt=kennwort")

    async def replace_codes(self, request: web.Request) -> web.Response:
        form = get_form(request)
        filled_in = {name: form.get(f"codes_{name}", "") for name in ("current", "code")}
        try:
            codes = await self.login.replace_recovery_codes(get_visitor(request), **filled_in)
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
        await self.login.end_other_sessions(get_visitor(request))
        return redirect(f"{PROFILE_PATH}?erledigt=sitzungen")

    async def show_profile(self, request: web.Request, problems: object = None, status: int = 200) -> web.Response:
        visitor = get_visitor(request)
        return render_page(
            request,
            "profile.html",
            status=status,
            done=_DONE.get(request.query.get("erledigt", ""), ""),
            problems=problems or {},
            sessions=await self.login.sessions.list_sessions(visitor.account.id),
        )

    def _set_cookies(self, response: web.Response, started: StartedSession) -> web.Response:
        self.cookies.set_session(response, started.token)
        if started.device is not None:
            self.cookies.set_device(response, started.device, DEVICE_MAX_AGE_SECONDS)
        return response

    def _render_login(
        self,
        request: web.Request,
        *,
        destination: str,
        login: str = "",
        problem: str = "",
        advice: str = "",
        status: int = 200,
    ) -> web.Response:
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

    def _render_refusal(
        self, request: web.Request, refused: LoginRefused, login: str, destination: str
    ) -> web.Response:
        status, problem, advice = (
            (429, "Zu viele Versuche.", _describe_wait(refused.wait_seconds)) if refused.wait_seconds else _WRONG
        )
        return self._render_login(
            request, destination=destination, login=login, problem=problem, advice=advice, status=status
        )

    def _render_busy(self, request: web.Request, login: str, destination: str) -> web.Response:
        problem, advice = _BUSY
        response = self._render_login(
            request, destination=destination, login=login, problem=problem, advice=advice, status=503
        )
        response.headers[hdrs.RETRY_AFTER] = "60"
        return response

    def _render_setup(
        self, request: web.Request, secret: SetupSecret, problems: object = None, status: int = 200
    ) -> web.Response:
        uri = build_totp_uri(secret.text, get_visitor(request).account.login)
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

"""Pages of accounts: list, invitation, roles, blocks, and the requests that a second person decides."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote
from uuid import UUID

from aiohttp import web

from services.newsroom.adapters.http.confirmations import Confirmation, render_confirmation
from services.newsroom.adapters.http.rendering import ROLE_NAMES, render_page
from services.newsroom.adapters.http.web_pages import WebPage, get_form, get_visitor, redirect
from services.newsroom.domain.accounts import Account, AccountChange, AccountProblem, Right
from services.newsroom.handlers.account_admin import AccountAdministration, Invitation

ACCOUNTS_PATH = "/konten"
_ACCOUNT = "/konto/{login}"
_REQUEST = "/konten/antrag/{request:[0-9a-f-]{36}}"
BLOCK = Confirmation(
    name="sperren",
    title="Konto sperren",
    explanation=(
        "Die Sperre gilt sofort und beendet alle Sitzungen dieses Kontos. Zum Entsperren ist eine zweite Person nötig."
    ),
    button="Konto sperren",
    done="Das Konto ist gesperrt, seine Sitzungen sind beendet.",
    is_dangerous=True,
)
_DONE = {
    "gesperrt": BLOCK.done,
    "beantragt": "Das ist beantragt. Eine zweite Person muss es bestätigen.",
    "bestaetigt": "Das ist bestätigt und gilt ab sofort.",
    "abgelehnt": "Der Antrag ist abgelehnt.",
    "beendet": "Alle Sitzungen des Kontos sind beendet.",
}
_EMPTY_INVITATION = Invitation(login="", name="", roles=(), same_person_as="")
CHANGE_NAMES = {
    AccountChange.INVITE: "Neues Konto",
    AccountChange.ROLES: "Andere Rollen",
    AccountChange.ENABLE: "Konto entsperren",
}


@dataclass(frozen=True, kw_only=True)
class AccountPages:
    """Pages of accounts."""

    administration: AccountAdministration

    def list_pages(self) -> tuple[WebPage, ...]:
        right = Right.MANAGE_ACCOUNTS
        return (
            WebPage(
                method="GET",
                path=ACCOUNTS_PATH,
                handler=self.show_list,
                audience=right,
                title="Konten",
                covers=("/konto/", "/einladung"),
            ),
            WebPage(method="GET", path="/einladung", handler=self.show_invitation, audience=right),
            WebPage(method="POST", path="/einladung", handler=self.invite, audience=right),
            WebPage(method="GET", path=_ACCOUNT, handler=self.show_account, audience=right),
            WebPage(method="POST", path=f"{_ACCOUNT}/rollen", handler=self.request_roles, audience=right),
            WebPage(method="POST", path=f"{_ACCOUNT}/entsperren", handler=self.request_enabling, audience=right),
            WebPage(method="GET", path=f"{_ACCOUNT}/{BLOCK.name}", handler=self.ask_to_block, audience=right),
            WebPage(method="POST", path=f"{_ACCOUNT}/{BLOCK.name}", handler=self.block, audience=right),
            WebPage(method="POST", path=f"{_ACCOUNT}/sitzungen", handler=self.end_sessions, audience=right),
            WebPage(method="POST", path=f"{_REQUEST}/bestaetigen", handler=self.confirm, audience=right),
            WebPage(method="POST", path=f"{_REQUEST}/ablehnen", handler=self.refuse, audience=right),
        )

    async def invite(self, request: web.Request) -> web.Response:
        form = get_form(request)
        invitation = Invitation(
            login=form.get("login", ""),
            name=form.get("name", ""),
            roles=form.getall("roles", []),
            same_person_as=form.get("same", ""),
        )
        try:
            half = await self.administration.invite(get_visitor(request).account, invitation)
        except AccountProblem as problem:
            return await self.show_invitation(request, str(problem), invitation)
        return render_page(request, "password_half.html", half=half, is_first=True, login=invitation.login.strip())

    async def request_roles(self, request: web.Request) -> web.Response:
        actor, roles = get_visitor(request).account, get_form(request).getall("roles", [])
        act = self.administration.request_roles(actor, _get_login(request), roles)
        return await _respond(request, act, "beantragt", self.show_account)

    async def request_enabling(self, request: web.Request) -> web.Response:
        act = self.administration.request_enabling(get_visitor(request).account, _get_login(request))
        return await _respond(request, act, "beantragt", self.show_account)

    async def ask_to_block(self, request: web.Request) -> web.Response:
        account = await self._find_account(request)
        if account.is_disabled or account.id == get_visitor(request).account.id:
            return redirect(f"/konto/{quote(account.login, safe='')}")
        back, about = f"/konto/{quote(account.login, safe='')}", f"{account.name}, Anmeldename {account.login}"
        return render_confirmation(request, BLOCK, back, about, max_length=0)

    async def block(self, request: web.Request) -> web.Response:
        act = self.administration.block(get_visitor(request).account, _get_login(request))
        return await _respond(request, act, "gesperrt", self.show_account)

    async def end_sessions(self, request: web.Request) -> web.Response:
        act = self.administration.end_sessions(get_visitor(request).account, _get_login(request))
        return await _respond(request, act, "beendet", self.show_account)

    async def confirm(self, request: web.Request) -> web.Response:
        try:
            half = await self.administration.confirm(get_visitor(request).account, _get_request_id(request))
        except AccountProblem as problem:
            return await self.show_list(request, str(problem))
        if half is not None:
            return render_page(request, "password_half.html", half=half, is_first=False, login="")
        return redirect(f"{ACCOUNTS_PATH}?erledigt=bestaetigt")

    async def refuse(self, request: web.Request) -> web.Response:
        act = self.administration.refuse(get_visitor(request).account, _get_request_id(request))
        return await _respond(request, act, "abgelehnt", self.show_list)

    async def show_list(self, request: web.Request, problem: str = "") -> web.Response:
        return render_page(
            request,
            "accounts.html",
            status=409 if problem else 200,
            problem=problem,
            done=_DONE.get(request.query.get("erledigt", ""), ""),
            accounts=await self.administration.accounts.list_accounts(),
            requests=await self.administration.accounts.list_open_requests(),
            change_names=CHANGE_NAMES,
        )

    async def show_invitation(
        self, request: web.Request, problem: str = "", invitation: Invitation = _EMPTY_INVITATION
    ) -> web.Response:
        accounts = await self.administration.accounts.list_accounts()
        return render_page(
            request,
            "invitation.html",
            status=422 if problem else 200,
            problem=problem,
            invitation=invitation,
            same_options=[("", "Nein"), *((each.login, f"Ja: {each.name} ({each.login})") for each in accounts)],
            role_options=list(ROLE_NAMES.items()),
        )

    async def show_account(self, request: web.Request, problem: str = "") -> web.Response:
        return render_page(
            request,
            "account.html",
            status=422 if problem else 200,
            problem=problem,
            account=await self._find_account(request),
            role_options=list(ROLE_NAMES.items()),
        )

    async def _find_account(self, request: web.Request) -> Account:
        try:
            return await self.administration.get_account(_get_login(request))
        except AccountProblem:
            raise web.HTTPNotFound from None


async def _respond(
    request: web.Request, act: Awaitable[None], done: str, show: Callable[[web.Request, str], Awaitable[web.Response]]
) -> web.Response:
    """Act, then lead to the list, which says what was done; a problem is shown on the page of the form."""
    try:
        await act
    except AccountProblem as problem:
        return await show(request, str(problem))
    return redirect(f"{ACCOUNTS_PATH}?erledigt={done}")


def _get_login(request: web.Request) -> str:
    return request.match_info["login"]


def _get_request_id(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["request"])
    except ValueError:
        raise web.HTTPNotFound from None

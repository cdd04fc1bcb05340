"""Account pages: list, invitation, roles, blocks, and requests for a second person to decide."""

from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from services.newsroom.domain.accounts import Account, AccountProblem, Right
from services.newsroom.handlers.account_admin import AccountAdministration
from services.newsroom.http.confirmations import Confirmation, render_confirmation
from services.newsroom.http.newsroom import Newsroom
from services.newsroom.http.rendering import render_page
from services.newsroom.http.web_pages import FORM, VISITOR, WebPage, parse_id, redirect

ACCOUNTS_PATH = "/konten"
_ACCOUNT = "/konto/{login}"
_REQUEST = "/konten/antrag/{request}"
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
_Act = Callable[[AccountAdministration, Account, str], Awaitable[None]]
_Show = Callable[[Newsroom, web.Request, str], Awaitable[web.Response]]


async def invite(newsroom: Newsroom, request: web.Request) -> web.Response:
    form = request[FORM]
    login, name, same_person_as = (form.get(field, "") for field in ("login", "name", "same"))
    try:
        half = await newsroom.administration.invite(
            request[VISITOR].account,
            login=login,
            name=name,
            roles=form.getall("roles", []),
            same_person_as=same_person_as,
        )
    except AccountProblem as problem:
        return await show_invitation(newsroom, request, str(problem))
    return render_page(request, "password_half.html", half=half, is_first=True, login=login.strip())


async def request_roles(newsroom: Newsroom, request: web.Request) -> web.Response:
    actor, roles = request[VISITOR].account, request[FORM].getall("roles", [])
    act = newsroom.administration.request_roles(actor, request.match_info["login"], roles)
    return await _respond(newsroom, request, act, "beantragt", show_account)


async def process(act: _Act, done: str, newsroom: Newsroom, request: web.Request) -> web.Response:
    result = act(newsroom.administration, request[VISITOR].account, request.match_info["login"])
    return await _respond(newsroom, request, result, done, show_account)


async def ask_to_block(newsroom: Newsroom, request: web.Request) -> web.Response:
    account = await _find_account(newsroom, request)
    if account.is_disabled or account.id == request[VISITOR].account.id:
        return redirect(f"/konto/{account.login}")
    back, subject = f"/konto/{account.login}", f"{account.name}, Anmeldename {account.login}"
    return render_confirmation(request, BLOCK, back, subject, max_length=0)


async def confirm(newsroom: Newsroom, request: web.Request) -> web.Response:
    account, identifier = request[VISITOR].account, parse_id(request.match_info["request"])
    try:
        half = await newsroom.administration.confirm(account, identifier)
    except AccountProblem as problem:
        return await show_list(newsroom, request, str(problem))
    if half is not None:
        return render_page(request, "password_half.html", half=half, is_first=False)
    return redirect(f"{ACCOUNTS_PATH}?erledigt=bestaetigt")


async def refuse(newsroom: Newsroom, request: web.Request) -> web.Response:
    act = newsroom.administration.refuse(request[VISITOR].account, parse_id(request.match_info["request"]))
    return await _respond(newsroom, request, act, "abgelehnt", show_list)


async def show_list(newsroom: Newsroom, request: web.Request, problem: str = "") -> web.Response:
    return render_page(
        request,
        "accounts.html",
        status=409 if problem else 200,
        problem=problem,
        done=_DONE.get(request.query.get("erledigt", ""), ""),
        accounts=await newsroom.accounts.list_accounts(),
        requests=await newsroom.accounts.list_open_requests(),
    )


async def show_invitation(newsroom: Newsroom, request: web.Request, problem: str = "") -> web.Response:
    accounts = await newsroom.accounts.list_accounts()
    return render_page(
        request,
        "invitation.html",
        status=422 if problem else 200,
        problem=problem,
        form=request.get(FORM, {}),
        same_options=[("", "Nein"), *((each.login, f"Ja: {each.name} ({each.login})") for each in accounts)],
    )


async def show_account(newsroom: Newsroom, request: web.Request, problem: str = "") -> web.Response:
    return render_page(
        request,
        "account.html",
        status=422 if problem else 200,
        problem=problem,
        account=await _find_account(newsroom, request),
    )


async def _find_account(newsroom: Newsroom, request: web.Request) -> Account:
    try:
        return await newsroom.administration.get_account(request.match_info["login"])
    except AccountProblem:
        raise web.HTTPNotFound from None


async def _respond(
    newsroom: Newsroom, request: web.Request, act: Awaitable[None], done: str, show: _Show
) -> web.Response:
    """Perform the act and redirect to the list with a message; show a problem on the page of the form."""
    try:
        await act
    except AccountProblem as problem:
        return await show(newsroom, request, str(problem))
    return redirect(f"{ACCOUNTS_PATH}?erledigt={done}")


_RIGHT = Right.MANAGE_ACCOUNTS
PAGES = (
    WebPage("GET", ACCOUNTS_PATH, show_list, _RIGHT, title="Konten", covers=("/konto/", "/einladung")),
    WebPage("GET", "/einladung", show_invitation, _RIGHT),
    WebPage("POST", "/einladung", invite, _RIGHT),
    WebPage("GET", _ACCOUNT, show_account, _RIGHT),
    WebPage("POST", f"{_ACCOUNT}/rollen", request_roles, _RIGHT),
    WebPage("GET", f"{_ACCOUNT}/{BLOCK.name}", ask_to_block, _RIGHT),
    WebPage("POST", f"{_REQUEST}/bestaetigen", confirm, _RIGHT),
    WebPage("POST", f"{_REQUEST}/ablehnen", refuse, _RIGHT),
    *(
        WebPage("POST", f"{_ACCOUNT}/{name}", partial(process, act, done), _RIGHT)
        for name, act, done in (
            ("entsperren", AccountAdministration.request_enabling, "beantragt"),
            (BLOCK.name, AccountAdministration.block, "gesperrt"),
            ("sitzungen", AccountAdministration.end_sessions, "beendet"),
        )
    ),
)

"""Pages of operators and leads: state of sending, and acts with a confirmation page that asks for the reason."""

from functools import partial

from aiohttp import web

from services.newsroom.domain.accounts import Right
from services.newsroom.domain.approval import describe_costs
from services.newsroom.domain.progress import BroadcastStatus
from services.newsroom.domain.sending import BroadcastChange, SendingChange, SendingRefused
from services.newsroom.handlers.operating import CHANGE_RIGHTS
from services.newsroom.http.broadcast_pages import BROADCAST_PATH, BROADCASTS_PATH, find_broadcast
from services.newsroom.http.confirmations import (
    BROADCAST_CONFIRMATIONS,
    SENDING_CONFIRMATIONS,
    find_done,
    render_confirmation,
)
from services.newsroom.http.newsroom import Newsroom
from services.newsroom.http.rendering import render_page
from services.newsroom.http.web_pages import FORM, VISITOR, WebPage, redirect

OPERATING_PATH = "/betrieb"
MAX_SUBJECT_LENGTH = 200


async def show(newsroom: Newsroom, request: web.Request) -> web.Response:
    """Show waiting deliveries with their causes, unhandled messages, and the systems that publish."""
    overview, topics = await newsroom.sending.read_overview(), newsroom.county.topics
    templates = [f"{name}/{topic.language}" for topic in topics for name in topic.list_templates()]
    return render_page(
        request,
        "operating.html",
        overview=overview,
        reports=overview.list_reports(templates),
        unhandled=newsroom.queue_counts.counts,
        systems=newsroom.county.systems,
        uses=await newsroom.statuses.list_sources(),
        done=find_done(SENDING_CONFIRMATIONS.values(), request.query.get("erledigt", "")),
    )


async def ask_about_sending(change: SendingChange, _: Newsroom, request: web.Request) -> web.Response:
    return _render_sending(request, change, request.query.get("was", ""))


async def change_sending(change: SendingChange, newsroom: Newsroom, request: web.Request) -> web.Response:
    form = request[FORM]
    subject, reason = form.get("subject", "")[:MAX_SUBJECT_LENGTH], form.get("reason", "")
    try:
        await newsroom.operating.change_sending(request[VISITOR].account, change, subject, reason)
    except SendingRefused as refused:
        return _render_sending(request, change, subject, str(refused), reason)
    return redirect(f"{OPERATING_PATH}?erledigt={SENDING_CONFIRMATIONS[change].name}")


def _render_sending(
    request: web.Request, change: SendingChange, subject: str, problem: str = "", reason: str = ""
) -> web.Response:
    about = f"Vorlage {subject}" if change is SendingChange.RESUME_TEMPLATE else ""
    confirmation = SENDING_CONFIRMATIONS[change]
    return render_confirmation(request, confirmation, OPERATING_PATH, about, problem, reason, subject=subject)


async def ask_about_broadcast(change: BroadcastChange, newsroom: Newsroom, request: web.Request) -> web.Response:
    return _render_broadcast(newsroom, request, change, await find_broadcast(newsroom, request))


async def change_broadcast(change: BroadcastChange, newsroom: Newsroom, request: web.Request) -> web.Response:
    status, reason = await find_broadcast(newsroom, request), request[FORM].get("reason", "")
    try:
        await newsroom.operating.change_broadcast(request[VISITOR].account, change, status, reason)
    except SendingRefused as refused:
        return _render_broadcast(newsroom, request, change, status, str(refused), reason)
    return redirect(f"{BROADCASTS_PATH}/{status.id}?erledigt={BROADCAST_CONFIRMATIONS[change].name}")


def _render_broadcast(
    newsroom: Newsroom,
    request: web.Request,
    change: BroadcastChange,
    status: BroadcastStatus,
    problem: str = "",
    reason: str = "",
) -> web.Response:
    """Return the confirmation page; for a resend it shows the reasons of failures and the costs."""
    confirmation, back = BROADCAST_CONFIRMATIONS[change], f"{BROADCASTS_PATH}/{status.id}"
    if change is not BroadcastChange.RESEND:
        return render_confirmation(request, confirmation, back, status.name, problem, reason)
    operating = newsroom.operating
    costs = describe_costs(operating.compute_costs(status), by_lead=operating.is_for_lead(status))
    return render_confirmation(
        request, confirmation, back, status.name, problem, reason, failures=status.failures, costs=costs
    )


PAGES = (
    WebPage("GET", OPERATING_PATH, show, Right.OPERATE, title="Betrieb"),
    *(
        WebPage(method, f"{OPERATING_PATH}/{page.name}", partial(handle, change), Right.OPERATE)
        for change, page in SENDING_CONFIRMATIONS.items()
        for method, handle in (("GET", ask_about_sending), ("POST", change_sending))
    ),
    *(
        WebPage(method, f"{BROADCAST_PATH}/{page.name}", partial(handle, change), CHANGE_RIGHTS[change])
        for change, page in BROADCAST_CONFIRMATIONS.items()
        for method, handle in (("GET", ask_about_broadcast), ("POST", change_broadcast))
    ),
)

"""Pages of feedback from citizens, and the overview."""

from collections.abc import Sequence

from aiohttp import web

from services.newsroom.domain.accounts import Account, AccountRequest, Right
from services.newsroom.domain.drafts import DraftState
from services.newsroom.domain.feedback import KIND_NAMES, FeedbackFilter
from services.newsroom.domain.progress import BroadcastPhase, BroadcastStatus
from services.newsroom.http.newsroom import MAX_PENDING, Newsroom
from services.newsroom.http.rendering import render_page, respond_with_table
from services.newsroom.http.web_pages import VISITOR, Audience, WebPage, parse_id
from shared.contracts.hours import LOCAL_ZONE

FEEDBACK_PATH = "/rueckmeldungen"
MAX_SHOWN, MAX_EXPORTED = 100, 20_000
MAX_DRAFTS, MAX_NEWEST, MAX_NEWEST_SHOWN = 50, 50, 8
MAX_WORDS_LENGTH = 100


async def show(newsroom: Newsroom, request: web.Request) -> web.Response:
    feedback_filter = _parse_filter(request)
    return render_page(
        request,
        "feedback.html",
        chosen=feedback_filter,
        query=request.rel_url.raw_query_string,
        entries=await newsroom.statistics.list_entries(feedback_filter, MAX_SHOWN),
        summary=await newsroom.statistics.summarize(feedback_filter),
        kind_options=[("", "alle Arten"), *KIND_NAMES.items()],
        limit=MAX_SHOWN,
        export_limit=MAX_EXPORTED,
    )


async def download(newsroom: Newsroom, request: web.Request) -> web.Response:
    head = ("Zeit (volle Stunde)", "Art", "Bewertung", "Mitteilung", "Thema", "Aussendung")
    rows = (
        (
            f"{entry.at.astimezone(LOCAL_ZONE):%d.%m.%Y %H:%M}",
            entry.kind_name,
            entry.value_name,
            entry.text,
            newsroom.topics.get(entry.topic or "", entry.topic or ""),
            entry.broadcast_name if entry.headline else str(entry.broadcast or ""),
        )
        for entry in await newsroom.statistics.list_entries(_parse_filter(request), MAX_EXPORTED)
    )
    return respond_with_table("rueckmeldungen", head, rows)


def _parse_filter(request: web.Request) -> FeedbackFilter:
    query = request.query
    return FeedbackFilter(
        topic=query.get("thema", "")[:MAX_WORDS_LENGTH],
        kind=query.get("art", "")[:MAX_WORDS_LENGTH],
        words=query.get("suche", "").strip()[:MAX_WORDS_LENGTH],
        broadcast=parse_id(query["aussendung"]) if query.get("aussendung") else None,
    )


async def show_overview(newsroom: Newsroom, request: web.Request) -> web.Response:
    account = request[VISITOR].account
    # If leads approve amounts, drafts that a lead may approve or review are listed for them, too.
    review_right = Right.APPROVE if newsroom.assessor.rules.lead_euros is None else Right.COUNTERSIGN
    rights = {DraftState.PENDING: review_right, DraftState.ESCALATED: Right.APPROVE_AMOUNTS}
    approvable_states = [state for state, right in rights.items() if account.may(right)]
    list_drafts, person = newsroom.drafts.list_drafts, account.person
    limit = MAX_DRAFTS + 1  # to know whether there are more
    unfinished = await newsroom.statuses.list_unfinished(MAX_NEWEST)
    begun = await newsroom.statuses.list_begun(MAX_NEWEST)
    return render_page(
        request,
        "overview.html",
        paused=(await newsroom.sending.read_limits()).pause_reasons,
        is_cut_off=newsroom.is_cut_off,
        in_work=await list_drafts((DraftState.DRAFT,), limit, writer=person),
        requests=await _list_decidable(newsroom, account),
        to_approve=await list_drafts(approvable_states, limit, excluded_writer=person),
        waiting=await list_drafts(tuple(rights), limit, writer=person),
        approved=await list_drafts((DraftState.APPROVED,), limit),
        returned=await list_drafts((DraftState.RETURNED,), limit, writer=person),
        unreviewed=await newsroom.drafts.list_unreviewed() if account.may(review_right) else [],
        under_way=await newsroom.publications.list_under_way(MAX_PENDING),
        planned=_choose(unfinished, BroadcastPhase.PLANNED),
        sending=_choose(unfinished, BroadcastPhase.SENDING, BroadcastPhase.STOPPED),
        sent=_choose(begun, BroadcastPhase.FINISHED, BroadcastPhase.CANCELLED),
        entries=await newsroom.statistics.list_entries(FeedbackFilter(kind="text"), 5),
        draft_limit=MAX_DRAFTS,
        broadcast_limit=MAX_NEWEST_SHOWN,
    )


async def _list_decidable(newsroom: Newsroom, account: Account) -> Sequence[AccountRequest]:
    if not account.may(Right.MANAGE_ACCOUNTS):
        return []
    requests = await newsroom.accounts.list_open_requests()
    return [each for each in requests if account.person not in (each.requested_by.person, each.person)]


def _choose(statuses: Sequence[BroadcastStatus], *phases: BroadcastPhase) -> Sequence[BroadcastStatus]:
    return [status for status in statuses if status.phase in phases]


OVERVIEW = WebPage("GET", "/", show_overview, Audience.LOGGED_IN, title="Übersicht")
PAGES = (
    WebPage("GET", FEEDBACK_PATH, show, Right.VIEW, title="Rückmeldungen"),
    WebPage("GET", f"{FEEDBACK_PATH}.csv", download, Right.VIEW),
)

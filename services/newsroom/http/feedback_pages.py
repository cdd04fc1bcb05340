"""Pages that listen and look: feedback of citizens, and the overview."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from services.newsroom.adapters.broadcasts import BroadcastStatuses
from services.newsroom.adapters.drafts import PostgresDraftRepository
from services.newsroom.adapters.listening import PostgresFeedbackLog
from services.newsroom.adapters.publications import PublicationRepository
from services.newsroom.domain.accounts import Account, AccountRequest, Right
from services.newsroom.domain.drafts import DraftFilter, DraftState
from services.newsroom.domain.feedback import KIND_NAMES, FeedbackFilter
from services.newsroom.domain.progress import BroadcastPhase, BroadcastStatus
from services.newsroom.domain.sending import SendingOverview
from services.newsroom.handlers.watching import MAX_PENDING
from services.newsroom.http.account_pages import CHANGE_NAMES
from services.newsroom.http.rendering import render_page, respond_with_table
from services.newsroom.http.web_pages import TOPICS, VISITOR, Audience, WebPage, parse_id
from shared.contracts.hours import LOCAL_ZONE

FEEDBACK_PATH = "/rueckmeldungen"
MAX_SHOWN, MAX_EXPORTED = 100, 20_000
MAX_DRAFTS, MAX_NEWEST, MAX_NEWEST_SHOWN = 50, 50, 8
MAX_WORDS_LENGTH = 100


@dataclass(frozen=True, kw_only=True)
class FeedbackPages:
    """Pages of feedback."""

    feedback: PostgresFeedbackLog

    def list_pages(self) -> tuple[WebPage, ...]:
        look = Right.LOOK
        return (
            WebPage("GET", FEEDBACK_PATH, self.show, look, title="Rückmeldungen"),
            WebPage("GET", f"{FEEDBACK_PATH}.csv", self.download, look),
        )

    async def show(self, request: web.Request) -> web.Response:
        chosen = _parse_filter(request)
        return render_page(
            request,
            "feedback.html",
            chosen=chosen,
            query=request.rel_url.raw_query_string,
            entries=await self.feedback.list_entries(chosen, MAX_SHOWN),
            summary=await self.feedback.summarize(chosen),
            kind_options=[("", "alle Arten"), *KIND_NAMES.items()],
            most=MAX_SHOWN,
            most_exported=MAX_EXPORTED,
        )

    async def download(self, request: web.Request) -> web.Response:
        entries, topics = await self.feedback.list_entries(_parse_filter(request), MAX_EXPORTED), request.app[TOPICS]
        head = ("Zeit (volle Stunde)", "Art", "Bewertung", "Mitteilung", "Thema", "Aussendung")
        rows = (
            (
                f"{each.at.astimezone(LOCAL_ZONE):%d.%m.%Y %H:%M}",
                each.kind_name,
                each.value_name,
                each.text,
                topics.get(each.topic or "", each.topic or ""),
                each.broadcast_name if each.headline else str(each.broadcast or ""),
            )
            for each in entries
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


@dataclass(frozen=True, kw_only=True)
class OverviewPages:
    """The first page after the login; whoever has the right `reviewing` is shown what waits for approval or review."""

    drafts: PostgresDraftRepository
    publications: PublicationRepository
    statuses: BroadcastStatuses
    feedback: PostgresFeedbackLog
    reviewing: Right
    read_sending: Callable[[], Awaitable[SendingOverview]]
    list_requests: Callable[[], Awaitable[Sequence[AccountRequest]]]

    def list_pages(self) -> tuple[WebPage, ...]:
        return (WebPage("GET", "/", self.show, Audience.LOGGED_IN, title="Übersicht"),)

    async def show(self, request: web.Request) -> web.Response:
        """Show what this person can do next, what is being sent, and what citizens say."""
        account = request[VISITOR].account
        # Where leads approve amounts, what one of them may approve waits for them as well.
        rights = {DraftState.PENDING: self.reviewing, DraftState.ESCALATED: Right.APPROVE_AMOUNTS}
        fitting = [state for state, right in rights.items() if account.may(right)]
        list_drafts, own = self.drafts.list_drafts, account.person
        limit = MAX_DRAFTS + 1  # to know whether there are more
        unfinished = await self.statuses.list_unfinished(MAX_NEWEST)
        newest = await self.statuses.list_newest(MAX_NEWEST)
        return render_page(
            request,
            "overview.html",
            paused=(await self.read_sending()).pause_reasons,
            in_work=await list_drafts(DraftFilter(states=(DraftState.DRAFT,), writer=own), limit),
            requests=await self._list_decidable(account),
            change_names=CHANGE_NAMES,
            to_approve=await list_drafts(DraftFilter(states=fitting, besides=own), limit),
            waiting=await list_drafts(DraftFilter(states=tuple(rights), writer=own), limit),
            approved=await list_drafts(DraftFilter(states=(DraftState.APPROVED,)), limit),
            returned=await list_drafts(DraftFilter(states=(DraftState.RETURNED,), writer=own), limit),
            unreviewed=await self.drafts.list_unreviewed() if account.may(self.reviewing) else [],
            under_way=await self.publications.list_under_way(MAX_PENDING),
            planned=_choose(unfinished, BroadcastPhase.PLANNED),
            sending=_choose(unfinished, BroadcastPhase.SENDING, BroadcastPhase.STOPPED),
            sent=_choose(
                [each for each in newest if each.was_begun], BroadcastPhase.FINISHED, BroadcastPhase.CANCELLED
            ),
            entries=await self.feedback.list_entries(FeedbackFilter(kind="text"), 5),
            most_drafts=MAX_DRAFTS,
            most_broadcasts=MAX_NEWEST_SHOWN,
        )

    async def _list_decidable(self, account: Account) -> Sequence[AccountRequest]:
        if not account.may(Right.MANAGE_ACCOUNTS):
            return []
        return [
            each for each in await self.list_requests() if account.person not in (each.requested_by.person, each.person)
        ]


def _choose(statuses: Sequence[BroadcastStatus], *phases: BroadcastPhase) -> Sequence[BroadcastStatus]:
    return [each for each in statuses if each.phase in phases]

"""Pages of broadcasts: list, live progress, certificate."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aiohttp import web

from services.newsroom.adapters.broadcasts import BroadcastStatuses
from services.newsroom.adapters.listening import PostgresFeedbackLog, PostgresListeningLog
from services.newsroom.adapters.publications import PublicationRepository
from services.newsroom.domain.accounts import Account, Right
from services.newsroom.domain.approval import find_review, find_review_obstacle, list_responsible
from services.newsroom.domain.county import NewsroomCounty
from services.newsroom.domain.drafts import DraftContent, DraftKind, NoticeDraft
from services.newsroom.domain.feedback import FeedbackFilter
from services.newsroom.domain.preview import TemplateText, build_preview
from services.newsroom.domain.progress import BroadcastList, BroadcastPhase, BroadcastStatus, list_account
from services.newsroom.domain.sending import SendingOverview
from services.newsroom.handlers.drafting import DraftingService
from services.newsroom.handlers.operating import ResendRules
from services.newsroom.handlers.watching import ChangeWatch, SessionWatch, read_list
from services.newsroom.http.confirmations import BROADCAST_CONFIRMATIONS, find_done, list_offered
from services.newsroom.http.rendering import format_moment, render_page, respond_with_table
from services.newsroom.http.streams import stream_changes
from services.newsroom.http.web_pages import TOPICS, VISITOR, WebPage, parse_before, parse_id
from shared.runtime.clock import system_clock

BROADCASTS_PATH = "/aussendungen"
BROADCAST_PATH = "/aussendungen/{broadcast}"


@dataclass(frozen=True, kw_only=True)
class BroadcastPages:
    """Pages of broadcasts, of all municipal systems."""

    statuses: BroadcastStatuses
    publications: PublicationRepository
    drafting: DraftingService
    feedback: PostgresFeedbackLog
    listening: PostgresListeningLog
    watch: ChangeWatch[UUID, BroadcastStatus]
    list_watch: ChangeWatch[str, BroadcastList]
    sessions: SessionWatch
    resending: ResendRules
    county: NewsroomCounty
    templates: Mapping[str, TemplateText]
    read_sending: Callable[[], Awaitable[SendingOverview]]

    def list_pages(self) -> tuple[WebPage, ...]:
        look = Right.LOOK
        return (
            WebPage("GET", BROADCASTS_PATH, self.show_list, look, title="Aussendungen"),
            WebPage("GET", f"{BROADCASTS_PATH}/strom", self.stream_list, look),
            WebPage("GET", BROADCAST_PATH, self.show, look),
            WebPage("GET", f"{BROADCAST_PATH}/strom", self.stream, look),
            WebPage("GET", f"{BROADCAST_PATH}/nachweis", self.show_certificate, look),
            WebPage("GET", f"{BROADCAST_PATH}/nachweis.csv", self.download, look),
        )

    async def show_list(self, request: web.Request) -> web.Response:
        before = parse_before(request)
        newest = await read_list(self.statuses, self.publications, before)
        return render_page(request, "broadcasts.html", newest=newest, is_older=before is not None)

    async def show(self, request: web.Request) -> web.Response:
        status, account = await find_broadcast(self.statuses, request), request[VISITOR].account
        related, notice = await self.statuses.list_related(status.id), await self._describe_notice(status)
        return render_page(
            request,
            "broadcast.html",
            related=related,
            newer=_find_newest(status, related),
            paused=[] if status.is_final or status.stop_cause else (await self.read_sending()).pause_reasons,
            changes=list_offered(status, account, lead_resends=self.resending.is_for_lead(status)),
            done=find_done(BROADCAST_CONFIRMATIONS.values(), request.query.get("erledigt", "")),
            feedback=await self.feedback.summarize(FeedbackFilter(broadcast=status.id)),
            echo=await self.listening.find_echo(status.id),
            **await self._describe_review(notice["draft"], account),
            **notice,
            **_describe(status),
        )

    async def _describe_review(self, draft: NoticeDraft | None, account: Account) -> dict[str, Any]:
        """Return who has reviewed what was sent in an emergency, and whether this account may."""
        if draft is None or not draft.is_emergency or find_review_obstacle(draft, account):
            return {"review": draft and find_review(draft), "may_review": False}
        by_lead = await self.drafting.assessor.is_review_for_lead(draft)
        return {"review": None, "may_review": account.may(Right.APPROVE_AMOUNTS if by_lead else Right.APPROVE)}

    async def show_certificate(self, request: web.Request) -> web.Response:
        status = await find_broadcast(self.statuses, request)
        facts = await self._list_facts(request, status)
        return render_page(request, "certificate.html", now=system_clock(), facts=facts, **_describe(status))

    async def download(self, request: web.Request) -> web.Response:
        """Respond with the certificate as a table; it names colleagues, but nobody who got the notice."""
        status = await find_broadcast(self.statuses, request)
        rows: list[tuple[str, object]] = [
            *await self._list_facts(request, status),
            ("Empfänger", status.audience if status.audience is not None else ""),
            *((line.name, line.count) for line in list_account(status)),
            *((f"nicht erreicht: {failure.reason}", failure.recipients) for failure in status.failures),
            ("Stand", format_moment(system_clock())),
        ]
        return respond_with_table(f"nachweis-{status.id}", ("Angabe", "Wert"), rows)

    async def _list_facts(self, request: web.Request, status: BroadcastStatus) -> Sequence[tuple[str, str]]:
        """Return what the certificate says besides the account, each by its name."""
        notice, unknown = await self._describe_notice(status), "nicht bekannt"
        is_cut = status.phase is BroadcastPhase.CANCELLED
        moments = (
            ("Angenommen", status.accepted_at),
            ("Begonnen", status.started_at),
            ("Abgeschlossen", status.finished_at),
            ("Vorzeitig beendet", status.cancelled_at if is_cut else None),
            ("Ersetzt oder zurückgezogen", None if is_cut or status.withdrawn_at else status.cancelled_at),
            ("Zurückgezogen", status.withdrawn_at),
        )
        facts = (
            ("Herausgeber", self.county.name),
            ("Überschrift", status.headline or unknown),
            *(_list_content(notice["draft"], notice["content"], notice["code"]) if notice["draft"] else ()),
            ("Thema", request.app[TOPICS].get(status.topic or "", status.topic or unknown)),
            ("Meldung", (status.notice or unknown) + (f", {status.revision}. Fassung" if status.revision else "")),
            ("Aussendung", str(status.id)),
            *((name, format_moment(moment) if moment else "") for name, moment in moments),
            ("Zurückgezogen von", status.withdrawn_by or ""),
            ("Grund des Zurückziehens", status.withdrawal_reason or ""),
            *((name, f"{value}, {format_moment(at)}" if at else value) for name, value, at in notice["responsible"]),
        )
        return [(name, value) for name, value in facts if value]

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Respond with the account after each change, until the end of the broadcast or of the session."""
        status = await find_broadcast(self.statuses, request)

        def render(shown: BroadcastStatus) -> web.Response:
            return render_page(request, "broadcast_account.html", **_describe(shown))

        return await stream_changes(
            request, self.sessions, self.watch, status.id, render, is_over=lambda shown: shown.is_settled
        )

    async def stream_list(self, request: web.Request) -> web.StreamResponse:
        """Respond with the list after each change, until the end of the session."""

        def render(shown: BroadcastList) -> web.Response:
            return render_page(request, "broadcast_list.html", newest=shown)

        return await stream_changes(
            request, self.sessions, self.list_watch, BROADCASTS_PATH, render, is_over=lambda _: False
        )

    async def _describe_notice(self, status: BroadcastStatus) -> dict[str, Any]:
        """Return the notice as it was published here; of another system's nothing is known but what events tell."""
        published = await self.publications.find_published(status.id)
        if published is None:
            return {"draft": None, "responsible": ()}
        draft = await self.drafting.drafts.find(published.draft)
        # Its editors may have gone on while its acceptance was on the way.
        versions = await self.drafting.drafts.list_versions(draft.id)
        version = next(each for each in versions if each.version == published.version)
        content = version.content
        return {
            "draft": draft,
            "content": content,
            "code": published.code,
            "preview": build_preview(content, self.county.find_topic(content.topic), self.templates, published.code),
            "responsible": tuple(list_responsible(draft, version)),
        }


async def find_broadcast(statuses: BroadcastStatuses, request: web.Request) -> BroadcastStatus:
    """Return the broadcast in the path. Raises HTTPNotFound."""
    found = await statuses.find_all([parse_id(request.match_info["broadcast"])])
    for status in found.values():
        return status
    raise web.HTTPNotFound


def _describe(status: BroadcastStatus) -> dict[str, Any]:
    return {"broadcast": status, "account": list_account(status)}


def _find_newest(status: BroadcastStatus, related: Sequence[BroadcastStatus]) -> BroadcastStatus | None:
    """Return the broadcast of the notice's newest revision, if this one is of an older."""
    newer = [one for one in related if one.notice == status.notice and (one.revision or 0) > (status.revision or 0)]
    return max(newer, key=lambda one: one.revision or 0, default=None)


def _list_content(draft: NoticeDraft, content: DraftContent, code: str) -> Iterator[tuple[str, str]]:
    yield "Text", content.text
    yield "Link", content.link
    yield "Bild", content.picture
    yield "Prüfcode", code
    if draft.kind is not DraftKind.FOLLOW_UP:  # which goes to the recipients of the earlier one, wherever they live
        yield "Gemeinden", ", ".join(content.municipalities) or "ganzer Landkreis"
    yield "Gültig bis", format_moment(content.expires_at) if content.expires_at else ""

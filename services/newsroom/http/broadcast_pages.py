"""Pages of broadcasts: list, live progress, certificate."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from aiohttp import web

from services.newsroom.domain.accounts import Account, Right
from services.newsroom.domain.approval import find_review, find_review_obstacle, list_responsible
from services.newsroom.domain.drafts import DraftContent, DraftKind, NoticeDraft
from services.newsroom.domain.feedback import FeedbackFilter
from services.newsroom.domain.progress import BroadcastPhase, BroadcastStatus, find_continuation, list_account
from services.newsroom.http.confirmations import BROADCAST_CONFIRMATIONS, find_done, list_offered
from services.newsroom.http.newsroom import Newsroom
from services.newsroom.http.rendering import format_moment, render_page, respond_with_table
from services.newsroom.http.streams import stream_changes
from services.newsroom.http.web_pages import VISITOR, WebPage, parse_before, parse_id
from shared.runtime.clock import system_clock

BROADCASTS_PATH = "/aussendungen"
BROADCAST_PATH = "/aussendungen/{broadcast}"


async def show_list(newsroom: Newsroom, request: web.Request) -> web.Response:
    before = parse_before(request)
    newest = await newsroom.read_list(before)
    is_cut_off = newsroom.is_cut_off
    return render_page(request, "broadcasts.html", newest=newest, is_older=before is not None, is_cut_off=is_cut_off)


async def show(newsroom: Newsroom, request: web.Request) -> web.Response:
    status, account = await find_broadcast(newsroom, request), request[VISITOR].account
    related, notice = await newsroom.statuses.list_related(status.id), await _describe_notice(newsroom, status)
    return render_page(
        request,
        "broadcast.html",
        related=related,
        followed=await newsroom.statuses.find_followed(status.id),
        newer=_find_newest(status, related),
        paused=[] if status.is_final or status.stop_cause else (await newsroom.sending.read_limits()).pause_reasons,
        is_cut_off=newsroom.is_cut_off and not status.is_settled,
        changes=list_offered(status, account, lead_resends=newsroom.operating.is_for_lead(status)),
        done=find_done(BROADCAST_CONFIRMATIONS.values(), request.query.get("erledigt", "")),
        feedback=await newsroom.statistics.summarize(FeedbackFilter(broadcast=status.id)),
        response=await newsroom.statistics.find_response(status.id),
        **await _describe_review(newsroom, notice["draft"], account),
        **notice,
        **_describe(newsroom, status),
    )


async def _describe_review(newsroom: Newsroom, draft: NoticeDraft | None, account: Account) -> dict[str, Any]:
    """Return the review of an emergency publication, and whether this account may review it."""
    if draft is None or find_review_obstacle(draft, account):
        return {"review": draft and find_review(draft), "may_review": False}
    by_lead = await newsroom.assessor.is_review_for_lead(draft)
    return {"review": None, "may_review": account.may(Right.APPROVE_AMOUNTS if by_lead else Right.APPROVE)}


async def show_certificate(newsroom: Newsroom, request: web.Request) -> web.Response:
    status = await find_broadcast(newsroom, request)
    facts = await _list_facts(newsroom, status)
    return render_page(request, "certificate.html", now=system_clock(), facts=facts, **_describe(newsroom, status))


async def download(newsroom: Newsroom, request: web.Request) -> web.Response:
    """Respond with the certificate as a table; it names colleagues, but no recipients."""
    status = await find_broadcast(newsroom, request)
    rows: list[tuple[str, object]] = [
        *await _list_facts(newsroom, status),
        ("Empfänger", status.audience if status.audience is not None else ""),
        *((line.name, line.count) for line in list_account(status)),
        *((f"nicht erreicht: {failure.reason}", failure.recipients) for failure in status.failures),
        ("Stand", format_moment(system_clock())),
    ]
    return respond_with_table(f"nachweis-{status.id}", ("Angabe", "Wert"), rows)


async def _list_facts(newsroom: Newsroom, status: BroadcastStatus) -> Sequence[tuple[str, str]]:
    """Return label and value of each line of the certificate, without the account."""
    notice, unknown = await _describe_notice(newsroom, status), "nicht bekannt"
    is_cancelled = status.phase is BroadcastPhase.CANCELLED
    moments = (
        ("Angenommen", status.accepted_at),
        ("Begonnen", status.started_at),
        ("Abgeschlossen", status.finished_at),
        ("Vorzeitig beendet", status.cancelled_at if is_cancelled else None),
        ("Beendet, ersetzt oder zurückgezogen", None if is_cancelled or status.withdrawn_at else status.cancelled_at),
        ("Zurückgezogen", status.withdrawn_at),
    )
    facts = (
        ("Herausgeber", newsroom.county.name),
        ("Überschrift", status.headline or unknown),
        *(_list_content(notice["draft"], notice["content"], notice["code"]) if notice["draft"] else ()),
        ("Thema", newsroom.topics.get(status.topic or "", status.topic or unknown)),
        ("Meldung", (status.notice or unknown) + (f", {status.revision}. Fassung" if status.revision else "")),
        ("Aussendung", str(status.id)),
        *((name, format_moment(moment) if moment else "") for name, moment in moments),
        ("Zurückgezogen von", status.withdrawn_by or ""),
        ("Grund des Zurückziehens", status.withdrawal_reason or ""),
        *((name, f"{value}, {format_moment(at)}" if at else value) for name, value, at in notice["responsible"]),
    )
    return [(name, value) for name, value in facts if value]


async def stream(newsroom: Newsroom, request: web.Request) -> web.StreamResponse:
    """Stream the account after each change, until the end of the broadcast or of the session."""
    status, template = await find_broadcast(newsroom, request), "broadcast_account.html"
    watches = newsroom.ended, newsroom.broadcasts
    describe = partial(_describe, newsroom)
    return await stream_changes(
        request, *watches, status.id, template, describe, is_over=lambda latest: latest.is_settled
    )


async def stream_list(newsroom: Newsroom, request: web.Request) -> web.StreamResponse:
    """Stream the list after each change, until the end of the session."""
    watches, template = (newsroom.ended, newsroom.newest), "broadcast_list.html"
    return await stream_changes(request, *watches, BROADCASTS_PATH, template, lambda newest: {"newest": newest})


async def _describe_notice(newsroom: Newsroom, status: BroadcastStatus) -> dict[str, Any]:
    """Return template values about the notice as published here; those of another system are unknown."""
    published = await newsroom.publications.find_published(status.id)
    if published is None:
        return {"draft": None, "responsible": ()}
    draft = await newsroom.drafts.find(published.draft)
    # The draft may have been edited again before the acceptance arrived.
    versions = await newsroom.drafts.list_versions(draft.id)
    version = next(each for each in versions if each.version == published.version)
    return {
        "draft": draft,
        "content": version.content,
        "code": published.code,
        "preview": newsroom.build_preview(version.content, published.code),
        "responsible": tuple(list_responsible(draft, version)),
    }


async def find_broadcast(newsroom: Newsroom, request: web.Request) -> BroadcastStatus:
    """Return the broadcast in the path. Raises HTTPNotFound."""
    identifier = parse_id(request.match_info["broadcast"])
    status = (await newsroom.statuses.find_all([identifier])).get(identifier)
    if status is None:
        raise web.HTTPNotFound
    return status


def _describe(newsroom: Newsroom, status: BroadcastStatus) -> dict[str, Any]:
    continues_at = find_continuation(status, newsroom.county.permitted_hours, system_clock())
    return {"broadcast": status, "account": list_account(status), "continues_at": continues_at}


def _find_newest(status: BroadcastStatus, related: Sequence[BroadcastStatus]) -> BroadcastStatus | None:
    """Return the broadcast of the notice's newest revision, None if it is this one."""
    revisions = (other for other in related if other.notice == status.notice)
    newer = (other for other in revisions if (other.revision or 0) > (status.revision or 0))
    return max(newer, key=lambda other: other.revision or 0, default=None)


def _list_content(draft: NoticeDraft, content: DraftContent, code: str) -> Iterator[tuple[str, str]]:
    yield "Text", content.text
    yield "Link", content.link
    yield "Bild", content.picture
    yield "Prüfcode", code
    if draft.kind is not DraftKind.FOLLOW_UP:  # which goes to recipients of the earlier notice, wherever they live
        yield "Gemeinden", ", ".join(content.municipalities) or "ganzer Landkreis"
    yield "Gültig bis", format_moment(content.expires_at) if content.expires_at else ""


PAGES = (
    WebPage("GET", BROADCASTS_PATH, show_list, Right.VIEW, title="Aussendungen"),
    WebPage("GET", f"{BROADCASTS_PATH}/strom", stream_list, Right.VIEW),
    WebPage("GET", BROADCAST_PATH, show, Right.VIEW),
    WebPage("GET", f"{BROADCAST_PATH}/strom", stream, Right.VIEW),
    WebPage("GET", f"{BROADCAST_PATH}/nachweis", show_certificate, Right.VIEW),
    WebPage("GET", f"{BROADCAST_PATH}/nachweis.csv", download, Right.VIEW),
)

"""Pages between writing and sending: check, trial, approval, publication, and withdrawal."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import segno
from aiohttp import web

from services.newsroom.domain.accounts import Account, Right
from services.newsroom.domain.approval import find_emergency_obstacle, find_review, find_review_obstacle
from services.newsroom.domain.drafts import DraftKind, DraftRefused, NoticeDraft, list_changes
from services.newsroom.domain.explanations import (
    FIELD_NAMES,
    FORM_NAMES,
    explain_audience,
    explain_blocker,
    explain_duration,
    explain_problem,
)
from services.newsroom.domain.progress import explain_withdrawal
from services.newsroom.domain.sending import describe_budget
from services.newsroom.handlers.drafting import DraftingService
from services.newsroom.http.confirmations import Confirmation, render_confirmation
from services.newsroom.http.draft_forms import parse_version
from services.newsroom.http.draft_pages import DRAFT_PATH, DRAFTS_PATH, choose_code, find_draft
from services.newsroom.http.newsroom import Newsroom
from services.newsroom.http.rendering import render_page
from services.newsroom.http.web_pages import FORM, VISITOR, WebPage, parse_id, redirect
from shared.runtime.clock import system_clock

_BEGUN = "?erledigt=begonnen"
_WITHDRAWAL_PATH = f"{DRAFT_PATH}/zurueckziehen"
_VERSION, _VERSION_AND_REASON = ("version",), ("version", "reason")
_Act = Callable[..., Awaitable[NoticeDraft]]


async def process(
    act: _Act, field_names: Sequence[str], suffix: str, newsroom: Newsroom, request: web.Request
) -> web.Response:
    """Perform an act with the given fields of the form, then redirect to the draft's path with the suffix."""
    form = request[FORM]
    values = {"version": parse_version(form), "reason": form.get("reason", "")}
    account, draft_id = request[VISITOR].account, parse_id(request.match_info["draft"])
    draft = await act(newsroom.drafting, account, draft_id, *(values[name] for name in field_names))
    return redirect(f"{DRAFTS_PATH}/{draft.id}{'?erledigt=fortgesetzt' if draft.is_resumed else suffix}")


async def show_check(newsroom: Newsroom, request: web.Request) -> web.Response:
    """Show the assessment of a draft and the possible acts; for an emergency publication, its review."""
    draft, account = await find_draft(newsroom, request), request[VISITOR].account
    if draft.is_emergency:
        return await _show_review(newsroom, request, draft, account)
    if not draft.is_open:
        return redirect(f"{DRAFTS_PATH}/{draft.id}")
    assessment = await newsroom.assessor.evaluate(draft, account)
    forecast, content, county = assessment.forecast, draft.content, newsroom.county
    topic = county.find_topic(content.topic)
    price = county.prices.get_price(topic.category) if topic else None
    return render_page(
        request,
        "draft_check.html",
        draft=draft,
        earlier=draft.earlier.content.headline if draft.earlier else "",
        changes=[FORM_NAMES[name] for name in list_changes(draft, system_clock()) or ()],
        assessment=assessment,
        problems=[(FIELD_NAMES.get(each.field, each.field), explain_problem(each)) for each in assessment.problems],
        blockers=[explain_blocker(each) for each in forecast.blockers] if forecast else [],
        costs=sorted(forecast.costs.values()) if forecast else [],
        budget=describe_budget(assessment.budget, price) if assessment.budget else "",
        audience=explain_audience(draft.kind, forecast.audience) if forecast else "",
        duration=explain_duration(forecast.duration_seconds) if forecast else "",
        preview=newsroom.build_preview(content),
        has_emergency=not find_emergency_obstacle(content, newsroom.assessor.rules),
    )


async def _show_review(newsroom: Newsroom, request: web.Request, draft: NoticeDraft, account: Account) -> web.Response:
    lead_reviews = await newsroom.assessor.is_review_for_lead(draft)
    publication = await newsroom.publications.find_newest(draft.id)
    return render_page(
        request,
        "draft_review.html",
        draft=draft,
        done="Die Prüfung ist vermerkt." if request.query.get("erledigt") == "geprueft" else "",
        preview=newsroom.build_preview(draft.content, choose_code(draft, publication)),
        may_review=account.may(Right.APPROVE_AMOUNTS if lead_reviews else Right.APPROVE),
        lead_reviews=lead_reviews,
        review=find_review(draft),
        obstacle=find_review_obstacle(draft, account),
    )


async def prepare_trial(newsroom: Newsroom, request: web.Request) -> web.Response:
    """Show a new code. It is not stored here, so the response shows it instead of redirecting."""
    draft, version = parse_id(request.match_info["draft"]), parse_version(request[FORM])
    trial = await newsroom.trials.prepare(request[VISITOR].account, draft, version)
    link = trial.build_link(newsroom.phone) if newsroom.phone else ""
    return render_page(
        request,
        "trial.html",
        trial=trial,
        back=f"{DRAFTS_PATH}/{draft}/pruefung",
        version=version,
        phone=newsroom.phone,
        link=link,
        qr=segno.make(link, micro=False).svg_data_uri(scale=6) if link else "",
    )


async def ask_to_withdraw(newsroom: Newsroom, request: web.Request) -> web.Response:
    draft = await newsroom.drafting.find_published(parse_id(request.match_info["draft"]))
    return await _ask_why(newsroom, request, draft)


async def withdraw(newsroom: Newsroom, request: web.Request) -> web.Response:
    draft_id, reason = parse_id(request.match_info["draft"]), request[FORM].get("reason", "")
    draft = await newsroom.drafting.find_published(draft_id)
    try:
        withdrawal = await newsroom.drafting.withdraw(request[VISITOR].account, draft.id, reason)
    except DraftRefused as refused:
        return await _ask_why(newsroom, request, draft, str(refused), reason)
    return redirect(f"{DRAFTS_PATH}/{withdrawal.id}")


async def _ask_why(
    newsroom: Newsroom, request: web.Request, draft: NoticeDraft, problem: str = "", reason: str = ""
) -> web.Response:
    publication = await newsroom.publications.find_newest(draft.id)
    broadcast = publication.broadcast if publication else None
    status = (await newsroom.statuses.find_all([broadcast])).get(broadcast) if broadcast else None
    confirmation = Confirmation(
        name="zurueckziehen",
        title="Meldung zurückziehen",
        explanation=explain_withdrawal(status, is_correction=draft.kind is DraftKind.UPDATE),
        button="Zurückziehen",
        done="",
        is_dangerous=True,
    )
    back, about = f"{DRAFTS_PATH}/{draft.id}", draft.content.headline
    return render_confirmation(request, confirmation, back, about, problem, reason)


_WRITE, _APPROVE = Right.WRITE, Right.COUNTERSIGN
_ACTS: tuple[tuple[str, _Act, Sequence[str], Right, str], ...] = (
    ("einreichen", DraftingService.submit, _VERSION, _WRITE, "?erledigt=eingereicht"),
    # Not to the check: its publish button would appear where the approver has just clicked.
    ("freigeben", DraftingService.approve, _VERSION, _APPROVE, "?erledigt=freigegeben"),
    ("zurueckgeben", DraftingService.send_back, _VERSION_AND_REASON, _APPROVE, "?erledigt=zurueckgegeben"),
    ("veroeffentlichen", DraftingService.publish, _VERSION, Right.SEND, ""),
    ("notfall", DraftingService.publish_emergency, _VERSION_AND_REASON, _WRITE, ""),
    ("nachpruefen", DraftingService.review, _VERSION, _APPROVE, "/pruefung?erledigt=geprueft"),
    ("verwerfen", DraftingService.discard, _VERSION, _WRITE, "?erledigt=verworfen"),
    ("kopieren", DraftingService.copy, (), _WRITE, _BEGUN),
    ("korrigieren", DraftingService.correct, (), _WRITE, _BEGUN),
    ("folgemeldung", DraftingService.follow_up, (), _WRITE, _BEGUN),
)
PAGES = (
    WebPage("GET", f"{DRAFT_PATH}/pruefung", show_check, Right.VIEW),
    WebPage("POST", f"{DRAFT_PATH}/testen", prepare_trial, _WRITE),
    WebPage("GET", _WITHDRAWAL_PATH, ask_to_withdraw, _WRITE),
    WebPage("POST", _WITHDRAWAL_PATH, withdraw, _WRITE),
    *(
        WebPage("POST", f"{DRAFT_PATH}/{name}", partial(process, act, field_names, suffix), right)
        for name, act, field_names, right, suffix in _ACTS
    ),
)

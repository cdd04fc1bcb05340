"""Pages between writing and sending: the check, four eyes, publishing."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from aiohttp import web

from services.newsroom.adapters.http.draft_forms import parse_draft_id, parse_version
from services.newsroom.adapters.http.draft_pages import DRAFT_PATH, DRAFTS_PATH, choose_code
from services.newsroom.adapters.http.rendering import render_page
from services.newsroom.adapters.http.web_pages import FormData, PageHandler, WebPage, get_form, get_visitor, redirect
from services.newsroom.adapters.publications import PublicationRepository
from services.newsroom.domain.accounts import Account, Right
from services.newsroom.domain.approval import find_emergency_obstacle, find_review, find_review_obstacle
from services.newsroom.domain.drafts import NoticeDraft, list_changes
from services.newsroom.domain.explanations import (
    FIELD_NAMES,
    FORM_NAMES,
    explain_audience,
    explain_blocker,
    explain_duration,
    explain_problem,
)
from services.newsroom.domain.preview import TemplateText, build_preview
from services.newsroom.domain.sending import describe_budget
from services.newsroom.handlers.drafting import DraftingService

_BEGUN = "?erledigt=begonnen"
_Act = Callable[[Account, UUID, FormData], Awaitable[NoticeDraft]]


@dataclass(frozen=True, kw_only=True)
class SendingPages:
    """Pages of the check and of each act on a draft."""

    drafting: DraftingService
    publications: PublicationRepository
    templates: Mapping[str, TemplateText]

    def list_pages(self) -> tuple[WebPage, ...]:
        write, approve = Right.WRITE, Right.COUNTERSIGN
        acts: tuple[tuple[str, _Act, Right, str], ...] = (
            ("einreichen", self._submit, write, "?erledigt=eingereicht"),
            # Not to the check, whose button that publishes would be where they have just pressed.
            ("freigeben", self._approve, approve, "?erledigt=freigegeben"),
            ("zurueckgeben", self._send_back, approve, "?erledigt=zurueckgegeben"),
            ("veroeffentlichen", self._publish, Right.SEND, ""),
            ("notfall", self._publish_emergency, write, ""),
            ("nachpruefen", self._review, approve, "/pruefung?erledigt=geprueft"),
            ("verwerfen", self._discard, write, "?erledigt=verworfen"),
            ("kopieren", self._copy, write, _BEGUN),
            ("korrigieren", self._correct, write, _BEGUN),
            ("folgemeldung", self._follow_up, write, _BEGUN),
        )
        check = WebPage(method="GET", path=f"{DRAFT_PATH}/pruefung", handler=self.show_check, audience=Right.LOOK)
        posts = (
            WebPage(method="POST", path=f"{DRAFT_PATH}/{name}", handler=_build_handler(act, then), audience=right)
            for name, act, right, then in acts
        )
        return (check, *posts)

    async def show_check(self, request: web.Request) -> web.Response:
        """Show what would happen, and what may be done now; of what was sent in an emergency, what it was."""
        draft, account = await self.drafting.drafts.find(parse_draft_id(request)), get_visitor(request).account
        if draft.is_emergency:
            return await self._show_review(request, draft, account)
        if not draft.is_open:
            return redirect(f"{DRAFTS_PATH}/{draft.id}")
        found = await self.drafting.assessor.evaluate(draft, account)
        forecast, content, configuration = found.forecast, draft.content, self.drafting.assessor.configuration
        topic = configuration.find_topic(content.topic)
        price = configuration.prices.get_price(topic.category) if topic else None
        return render_page(
            request,
            "draft_check.html",
            draft=draft,
            earlier=draft.earlier.content.headline if draft.earlier else "",
            changes=[FORM_NAMES[name] for name in list_changes(draft, self.drafting.clock()) or ()],
            found=found,
            problems=[(FIELD_NAMES.get(each.field, each.field), explain_problem(each)) for each in found.problems],
            blockers=[explain_blocker(each) for each in forecast.blockers] if forecast else [],
            costs=sorted(forecast.costs.values()) if forecast else [],
            budget=describe_budget(found.budget, price) if found.budget else "",
            audience=explain_audience(draft.kind, forecast.audience) if forecast else "",
            duration=explain_duration(forecast.duration_seconds) if forecast else "",
            preview=build_preview(content, topic, self.templates),
            topics={topic.id: topic.title for topic in configuration.topics},
            may_write=account.may(Right.WRITE),
            may_send=account.may(Right.SEND),
            has_emergency=not find_emergency_obstacle(content, self.drafting.assessor.rules),
        )

    async def _show_review(self, request: web.Request, draft: NoticeDraft, account: Account) -> web.Response:
        configuration = self.drafting.assessor.configuration
        topic = configuration.find_topic(draft.content.topic)
        lead_reviews = await self.drafting.assessor.is_review_for_lead(draft)
        publication = await self.publications.find_newest(draft.id)
        return render_page(
            request,
            "draft_review.html",
            draft=draft,
            done="Die Prüfung ist vermerkt." if request.query.get("erledigt") == "geprueft" else "",
            preview=build_preview(draft.content, topic, self.templates, choose_code(draft, publication)),
            topics={topic.id: topic.title for topic in configuration.topics},
            may_review=account.may(Right.APPROVE_AMOUNTS if lead_reviews else Right.APPROVE),
            lead_reviews=lead_reviews,
            review=find_review(draft),
            obstacle=find_review_obstacle(draft, account),
        )

    async def _submit(self, account: Account, draft: UUID, form: FormData) -> NoticeDraft:
        return await self.drafting.submit(account, draft, parse_version(form))

    async def _approve(self, account: Account, draft: UUID, form: FormData) -> NoticeDraft:
        return await self.drafting.approve(account, draft, parse_version(form))

    async def _send_back(self, account: Account, draft: UUID, form: FormData) -> NoticeDraft:
        return await self.drafting.send_back(account, draft, parse_version(form), form.get("reason", ""))

    async def _publish(self, account: Account, draft: UUID, form: FormData) -> NoticeDraft:
        return await self.drafting.publish(account, draft, parse_version(form))

    async def _publish_emergency(self, account: Account, draft: UUID, form: FormData) -> NoticeDraft:
        return await self.drafting.publish_emergency(account, draft, parse_version(form), form.get("reason", ""))

    async def _review(self, account: Account, draft: UUID, form: FormData) -> NoticeDraft:
        return await self.drafting.review(account, draft, parse_version(form))

    async def _discard(self, account: Account, draft: UUID, form: FormData) -> NoticeDraft:
        return await self.drafting.discard(account, draft, parse_version(form))

    async def _copy(self, account: Account, draft: UUID, _: FormData) -> NoticeDraft:
        return await self.drafting.copy(account, draft)

    async def _correct(self, account: Account, draft: UUID, _: FormData) -> NoticeDraft:
        return await self.drafting.correct(account, draft)

    async def _follow_up(self, account: Account, draft: UUID, _: FormData) -> NoticeDraft:
        return await self.drafting.follow_up(account, draft)


def _build_handler(act: _Act, then: str) -> PageHandler:
    """Return the handler of an act; `then` is what the browser shows of the draft afterwards."""

    async def handle(request: web.Request) -> web.Response:
        draft = await act(get_visitor(request).account, parse_draft_id(request), get_form(request))
        return redirect(f"{DRAFTS_PATH}/{draft.id}{'?erledigt=fortgesetzt' if draft.is_resumed else then}")

    return handle

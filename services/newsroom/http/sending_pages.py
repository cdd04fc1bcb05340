"""Pages between writing and sending: the check, its trial, four eyes, publishing; and the way back, withdrawing."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import segno
from aiohttp import web

from services.newsroom.adapters.broadcasts import BroadcastStatuses
from services.newsroom.adapters.publications import PublicationRepository
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
from services.newsroom.domain.preview import TemplateText, build_preview
from services.newsroom.domain.progress import explain_withdrawal
from services.newsroom.domain.sending import describe_budget
from services.newsroom.handlers.drafting import DraftingService
from services.newsroom.handlers.trials import TrialService
from services.newsroom.http.confirmations import Confirmation, render_confirmation
from services.newsroom.http.draft_forms import parse_version
from services.newsroom.http.draft_pages import DRAFT_PATH, DRAFTS_PATH, choose_code
from services.newsroom.http.rendering import render_page
from services.newsroom.http.web_pages import FORM, VISITOR, WebPage, parse_id, redirect

_BEGUN = "?erledigt=begonnen"
_WITHDRAWAL_PATH = f"{DRAFT_PATH}/zurueckziehen"
_VERSION, _VERSION_AND_REASON = ("version",), ("version", "reason")
_Act = Callable[..., Awaitable[NoticeDraft]]


@dataclass(frozen=True, kw_only=True)
class SendingPages:
    """Pages of the check and of each act on a draft; `phone` is the county's number, empty if it is not configured."""

    drafting: DraftingService
    publications: PublicationRepository
    statuses: BroadcastStatuses
    trials: TrialService
    templates: Mapping[str, TemplateText]
    phone: str

    def list_pages(self) -> tuple[WebPage, ...]:
        write, approve = Right.WRITE, Right.COUNTERSIGN
        acts: tuple[tuple[str, _Act, Sequence[str], Right, str], ...] = (
            ("einreichen", DraftingService.submit, _VERSION, write, "?erledigt=eingereicht"),
            # Not to the check, whose button that publishes would be where they have just pressed.
            ("freigeben", DraftingService.approve, _VERSION, approve, "?erledigt=freigegeben"),
            ("zurueckgeben", DraftingService.send_back, _VERSION_AND_REASON, approve, "?erledigt=zurueckgegeben"),
            ("veroeffentlichen", DraftingService.publish, _VERSION, Right.SEND, ""),
            ("notfall", DraftingService.publish_emergency, _VERSION_AND_REASON, write, ""),
            ("nachpruefen", DraftingService.review, _VERSION, approve, "/pruefung?erledigt=geprueft"),
            ("verwerfen", DraftingService.discard, _VERSION, write, "?erledigt=verworfen"),
            ("kopieren", DraftingService.copy, (), write, _BEGUN),
            ("korrigieren", DraftingService.correct, (), write, _BEGUN),
            ("folgemeldung", DraftingService.follow_up, (), write, _BEGUN),
        )
        return (
            WebPage("GET", f"{DRAFT_PATH}/pruefung", self.show_check, Right.LOOK),
            WebPage("POST", f"{DRAFT_PATH}/testen", self.prepare_trial, write),
            WebPage("GET", _WITHDRAWAL_PATH, self.ask_to_withdraw, write),
            WebPage("POST", _WITHDRAWAL_PATH, self.withdraw, write),
            *(
                WebPage("POST", f"{DRAFT_PATH}/{name}", partial(self.process, act, takes, then), right)
                for name, act, takes, right, then in acts
            ),
        )

    async def process(self, act: _Act, takes: Sequence[str], then: str, request: web.Request) -> web.Response:
        """Perform an act with what it `takes` of the form; `then` is what is shown of the draft afterwards."""
        form = request[FORM]
        said = {"version": parse_version(form), "reason": form.get("reason", "")}
        account, identifier = request[VISITOR].account, parse_id(request.match_info["draft"])
        draft = await act(self.drafting, account, identifier, *(said[name] for name in takes))
        return redirect(f"{DRAFTS_PATH}/{draft.id}{'?erledigt=fortgesetzt' if draft.is_resumed else then}")

    async def show_check(self, request: web.Request) -> web.Response:
        """Show what would happen, and what may be done now; of what was sent in an emergency, what it was."""
        draft, account = (
            await self.drafting.drafts.find(parse_id(request.match_info["draft"])),
            request[VISITOR].account,
        )
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
            has_emergency=not find_emergency_obstacle(content, self.drafting.assessor.rules),
        )

    async def _show_review(self, request: web.Request, draft: NoticeDraft, account: Account) -> web.Response:
        topic = self.drafting.assessor.configuration.find_topic(draft.content.topic)
        lead_reviews = await self.drafting.assessor.is_review_for_lead(draft)
        publication = await self.publications.find_newest(draft.id)
        return render_page(
            request,
            "draft_review.html",
            draft=draft,
            done="Die Prüfung ist vermerkt." if request.query.get("erledigt") == "geprueft" else "",
            preview=build_preview(draft.content, topic, self.templates, choose_code(draft, publication)),
            may_review=account.may(Right.APPROVE_AMOUNTS if lead_reviews else Right.APPROVE),
            lead_reviews=lead_reviews,
            review=find_review(draft),
            obstacle=find_review_obstacle(draft, account),
        )

    async def prepare_trial(self, request: web.Request) -> web.Response:
        """Show a new code. It is stored nowhere here, so the answer shows it instead of leading to another page."""
        draft, version = parse_id(request.match_info["draft"]), parse_version(request[FORM])
        trial = await self.trials.prepare(request[VISITOR].account, draft, version)
        link = trial.build_link(self.phone) if self.phone else ""
        return render_page(
            request,
            "trial.html",
            trial=trial,
            back=f"{DRAFTS_PATH}/{draft}/pruefung",
            version=version,
            phone=self.phone,
            link=link,
            qr=segno.make(link, micro=False).svg_data_uri(scale=6) if link else "",
        )

    async def ask_to_withdraw(self, request: web.Request) -> web.Response:
        return await self._ask_why(request, await self.drafting.find_published(parse_id(request.match_info["draft"])))

    async def withdraw(self, request: web.Request) -> web.Response:
        draft, reason = (
            await self.drafting.find_published(parse_id(request.match_info["draft"])),
            request[FORM].get("reason", ""),
        )
        try:
            withdrawal = await self.drafting.withdraw(request[VISITOR].account, draft.id, reason)
        except DraftRefused as refused:
            return await self._ask_why(request, draft, str(refused), reason)
        return redirect(f"{DRAFTS_PATH}/{withdrawal.id}")

    async def _ask_why(
        self, request: web.Request, draft: NoticeDraft, problem: str = "", reason: str = ""
    ) -> web.Response:
        """Return the page that asks why the notice is withdrawn, from its handover on."""
        publication = await self.publications.find_newest(draft.id)
        broadcast = publication.broadcast if publication else None
        status = (await self.statuses.find_all([broadcast])).get(broadcast) if broadcast else None
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

"""The page that withdraws a published notice, from its handover on."""

from dataclasses import dataclass

from aiohttp import web

from services.newsroom.adapters.broadcasts import BroadcastStatuses
from services.newsroom.adapters.http.confirmations import Confirmation, render_confirmation
from services.newsroom.adapters.http.draft_forms import parse_draft_id
from services.newsroom.adapters.http.draft_pages import DRAFT_PATH, DRAFTS_PATH
from services.newsroom.adapters.http.web_pages import WebPage, get_form, get_visitor, redirect
from services.newsroom.adapters.publications import PublicationRepository
from services.newsroom.domain.accounts import Right
from services.newsroom.domain.drafts import DraftKind, DraftRefused, NoticeDraft
from services.newsroom.domain.progress import explain_withdrawal
from services.newsroom.handlers.drafting import DraftingService

WITHDRAWAL_PATH = f"{DRAFT_PATH}/zurueckziehen"


@dataclass(frozen=True, kw_only=True)
class WithdrawalPages:
    """The page that asks why a notice is withdrawn, and withdraws it."""

    drafting: DraftingService
    publications: PublicationRepository
    statuses: BroadcastStatuses

    def list_pages(self) -> tuple[WebPage, ...]:
        return (
            WebPage(method="GET", path=WITHDRAWAL_PATH, handler=self.ask, audience=Right.WRITE),
            WebPage(method="POST", path=WITHDRAWAL_PATH, handler=self.withdraw, audience=Right.WRITE),
        )

    async def ask(self, request: web.Request) -> web.Response:
        return await self._render(request, await self.drafting.find_published(parse_draft_id(request)))

    async def withdraw(self, request: web.Request) -> web.Response:
        draft, reason = await self.drafting.find_published(parse_draft_id(request)), get_form(request).get("reason", "")
        try:
            withdrawal = await self.drafting.withdraw(get_visitor(request).account, draft.id, reason)
        except DraftRefused as refused:
            return await self._render(request, draft, str(refused), reason)
        return redirect(f"{DRAFTS_PATH}/{withdrawal.id}")

    async def _render(
        self, request: web.Request, draft: NoticeDraft, problem: str = "", reason: str = ""
    ) -> web.Response:
        publication = await self.publications.find_newest(draft.id)
        found = await self.statuses.find_all([publication.broadcast] if publication and publication.broadcast else [])
        confirmation = Confirmation(
            name="zurueckziehen",
            title="Meldung zurückziehen",
            explanation=explain_withdrawal(found[0] if found else None, is_correction=draft.kind is DraftKind.UPDATE),
            button="Zurückziehen",
            done="",
            is_dangerous=True,
        )
        back, about = f"{DRAFTS_PATH}/{draft.id}", draft.content.headline
        return render_confirmation(request, confirmation, back, about, problem, reason)

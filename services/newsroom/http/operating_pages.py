"""Pages of operators and leads: what waits for what, and each act with a page that asks for the reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from services.newsroom.adapters.broadcasts import BroadcastStatuses
from services.newsroom.adapters.queue_counts import StrandedCounts
from services.newsroom.domain.accounts import Right
from services.newsroom.domain.approval import describe_costs
from services.newsroom.domain.progress import BroadcastStatus
from services.newsroom.domain.sending import BroadcastChange, SendingChange, SendingRefused
from services.newsroom.handlers.operating import CHANGE_RIGHTS, OperatingService
from services.newsroom.http.broadcast_pages import BROADCAST_PATH, BROADCASTS_PATH, find_broadcast
from services.newsroom.http.confirmations import (
    BROADCAST_CONFIRMATIONS,
    SENDING_CONFIRMATIONS,
    find_done,
    render_confirmation,
)
from services.newsroom.http.rendering import render_page
from services.newsroom.http.web_pages import FORM, VISITOR, WebPage, redirect
from shared.notices.configuration import System

OPERATING_PATH = "/betrieb"
MAX_SUBJECT_LENGTH = 200


@dataclass(frozen=True, kw_only=True)
class OperatingPages:
    """Pages about all sending; and those that pause, resume, cancel and repeat one broadcast."""

    operating: OperatingService
    stranded: StrandedCounts
    statuses: BroadcastStatuses
    systems: Sequence[System]
    templates: Sequence[str]

    def list_pages(self) -> tuple[WebPage, ...]:
        right = Right.OPERATE
        return (
            WebPage("GET", OPERATING_PATH, self.show, right, title="Betrieb"),
            *(
                WebPage(method, f"{OPERATING_PATH}/{page.name}", partial(handle, change), right)
                for change, page in SENDING_CONFIRMATIONS.items()
                for method, handle in (("GET", self.ask_about_sending), ("POST", self.change_sending))
            ),
            *(
                WebPage(method, f"{BROADCAST_PATH}/{page.name}", partial(handle, change), CHANGE_RIGHTS[change])
                for change, page in BROADCAST_CONFIRMATIONS.items()
                for method, handle in (("GET", self.ask_about_broadcast), ("POST", self.change_broadcast))
            ),
        )

    async def show(self, request: web.Request) -> web.Response:
        """Show what waits for what and why, what has been left behind, and who publishes."""
        overview = await self.operating.control.read_overview()
        return render_page(
            request,
            "operating.html",
            overview=overview,
            reports=overview.list_reports(self.templates),
            stranded=self.stranded.counts,
            systems=self.systems,
            uses=await self.statuses.list_sources(),
            done=find_done(SENDING_CONFIRMATIONS.values(), request.query.get("erledigt", "")),
        )

    async def ask_about_sending(self, change: SendingChange, request: web.Request) -> web.Response:
        return self._render_sending(request, change, request.query.get("was", ""))

    async def change_sending(self, change: SendingChange, request: web.Request) -> web.Response:
        form = request[FORM]
        subject, reason = form.get("subject", "")[:MAX_SUBJECT_LENGTH], form.get("reason", "")
        try:
            await self.operating.change_sending(request[VISITOR].account, change, subject, reason)
        except SendingRefused as refused:
            return self._render_sending(request, change, subject, str(refused), reason)
        return redirect(f"{OPERATING_PATH}?erledigt={SENDING_CONFIRMATIONS[change].name}")

    @staticmethod
    def _render_sending(
        request: web.Request, change: SendingChange, subject: str, problem: str = "", reason: str = ""
    ) -> web.Response:
        about = f"Vorlage {subject}" if change is SendingChange.RESUME_TEMPLATE else ""
        confirmation = SENDING_CONFIRMATIONS[change]
        return render_confirmation(request, confirmation, OPERATING_PATH, about, problem, reason, subject=subject)

    async def ask_about_broadcast(self, change: BroadcastChange, request: web.Request) -> web.Response:
        return self._render_broadcast(request, change, await find_broadcast(self.statuses, request))

    async def change_broadcast(self, change: BroadcastChange, request: web.Request) -> web.Response:
        status, reason = await find_broadcast(self.statuses, request), request[FORM].get("reason", "")
        try:
            await self.operating.change_broadcast(request[VISITOR].account, change, status, reason)
        except SendingRefused as refused:
            return self._render_broadcast(request, change, status, str(refused), reason)
        return redirect(f"{BROADCASTS_PATH}/{status.id}?erledigt={BROADCAST_CONFIRMATIONS[change].name}")

    def _render_broadcast(
        self,
        request: web.Request,
        change: BroadcastChange,
        status: BroadcastStatus,
        problem: str = "",
        reason: str = "",
    ) -> web.Response:
        """Return the page that asks; before sending again it says why it failed, and what that costs."""
        confirmation, back = BROADCAST_CONFIRMATIONS[change], f"{BROADCASTS_PATH}/{status.id}"
        if change is not BroadcastChange.RESEND:
            return render_confirmation(request, confirmation, back, status.name, problem, reason)
        resending = self.operating.resending
        costs = describe_costs(resending.compute_costs(status), by_lead=resending.is_for_lead(status))
        return render_confirmation(
            request, confirmation, back, status.name, problem, reason, failures=status.failures, costs=costs
        )

"""Pages of operators and leads: what waits for what, and each act with a page that asks for the reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from services.newsroom.adapters.broadcasts import BroadcastStatuses
from services.newsroom.adapters.http.broadcast_pages import BROADCAST_PATH, BROADCASTS_PATH, find_broadcast
from services.newsroom.adapters.http.confirmations import (
    BROADCAST_CONFIRMATIONS,
    SENDING_CONFIRMATIONS,
    find_done,
    render_confirmation,
)
from services.newsroom.adapters.http.rendering import render_page
from services.newsroom.adapters.http.web_pages import PageGroup, WebPage, get_form, get_visitor, redirect
from services.newsroom.adapters.queue_counts import StrandedCounts
from services.newsroom.adapters.sending_control import PostgresSendingControl
from services.newsroom.domain.accounts import Right
from services.newsroom.domain.approval import describe_costs
from services.newsroom.domain.progress import BroadcastStatus
from services.newsroom.domain.sending import BroadcastChange, SendingChange, SendingRefused, SourceUse
from services.newsroom.handlers.operating import (
    CHANGE_RIGHTS,
    OperatingService,
    ResendRules,
    SendingControl,
)
from shared.database.pool import Database
from shared.notices.configuration import Configuration, System

OPERATING_PATH = "/betrieb"
MAX_SUBJECT_LENGTH = 200


@dataclass(frozen=True, kw_only=True)
class SystemUse:
    """Municipal system, and when it last published."""

    name: str
    topics: Sequence[str]
    last: SourceUse | None
    month: int


@dataclass(frozen=True, kw_only=True)
class OperatingPages:
    """Pages of operators."""

    operating: OperatingService
    control: SendingControl
    stranded: StrandedCounts
    statuses: BroadcastStatuses
    systems: Sequence[System]
    topics: Mapping[str, str]
    templates: Sequence[str]

    def list_pages(self) -> tuple[WebPage, ...]:
        right = Right.OPERATE
        acts = [
            WebPage(
                method=method, path=f"{OPERATING_PATH}/{page.name}", handler=partial(handle, change), audience=right
            )
            for change, page in SENDING_CONFIRMATIONS.items()
            for method, handle in (("GET", self.ask), ("POST", self.change))
        ]
        overview = WebPage(method="GET", path=OPERATING_PATH, handler=self.show, audience=right, title="Betrieb")
        return (overview, *acts)

    async def show(self, request: web.Request) -> web.Response:
        """Show what waits for what and why, what has been left behind, and who publishes."""
        uses, overview = await self.statuses.list_sources(), await self.control.read_overview()
        return render_page(
            request,
            "operating.html",
            overview=overview,
            reports=overview.list_reports(self.templates),
            stranded=self.stranded.counts,
            systems=[_describe_system(system, uses) for system in self.systems],
            topics=self.topics,
            done=find_done(SENDING_CONFIRMATIONS.values(), request.query.get("erledigt", "")),
        )

    async def ask(self, change: SendingChange, request: web.Request) -> web.Response:
        return self._render(request, change, request.query.get("was", ""))

    async def change(self, change: SendingChange, request: web.Request) -> web.Response:
        form = get_form(request)
        subject, reason = form.get("subject", "")[:MAX_SUBJECT_LENGTH], form.get("reason", "")
        try:
            await self.operating.change_sending(get_visitor(request).account, change, subject, reason)
        except SendingRefused as refused:
            return self._render(request, change, subject, str(refused), reason)
        return redirect(f"{OPERATING_PATH}?erledigt={SENDING_CONFIRMATIONS[change].name}")

    @staticmethod
    def _render(
        request: web.Request, change: SendingChange, subject: str, problem: str = "", reason: str = ""
    ) -> web.Response:
        about = f"Vorlage {subject}" if change is SendingChange.RESUME_TEMPLATE else ""
        return render_confirmation(
            request, SENDING_CONFIRMATIONS[change], OPERATING_PATH, about, problem, reason, subject=subject
        )


@dataclass(frozen=True, kw_only=True)
class BroadcastChangePages:
    """Pages that pause, resume, cancel and repeat one broadcast."""

    operating: OperatingService
    statuses: BroadcastStatuses

    def list_pages(self) -> tuple[WebPage, ...]:
        return tuple(
            WebPage(
                method=method,
                path=f"{BROADCAST_PATH}/{page.name}",
                handler=partial(handle, change),
                audience=CHANGE_RIGHTS[change],
            )
            for change, page in BROADCAST_CONFIRMATIONS.items()
            for method, handle in (("GET", self.ask), ("POST", self.change))
        )

    async def ask(self, change: BroadcastChange, request: web.Request) -> web.Response:
        return self._render(request, change, await find_broadcast(self.statuses, request))

    async def change(self, change: BroadcastChange, request: web.Request) -> web.Response:
        status, reason = await find_broadcast(self.statuses, request), get_form(request).get("reason", "")
        try:
            await self.operating.change_broadcast(get_visitor(request).account, change, status, reason)
        except SendingRefused as refused:
            return self._render(request, change, status, str(refused), reason)
        return redirect(f"{BROADCASTS_PATH}/{status.id}?erledigt={BROADCAST_CONFIRMATIONS[change].name}")

    def _render(
        self,
        request: web.Request,
        change: BroadcastChange,
        status: BroadcastStatus,
        problem: str = "",
        reason: str = "",
    ) -> web.Response:
        failures, costs = ((), "") if change is not BroadcastChange.RESEND else self._describe_resend(status)
        back, about = f"{BROADCASTS_PATH}/{status.id}", status.name
        return render_confirmation(
            request,
            BROADCAST_CONFIRMATIONS[change],
            back,
            about,
            problem,
            reason,
            failures=failures,
            costs=costs,
        )

    def _describe_resend(self, status: BroadcastStatus) -> tuple[Sequence[object], str]:
        """Return why it failed, and what sending it again costs."""
        resending = self.operating.resending
        return status.failures, describe_costs(resending.compute_costs(status), by_lead=resending.is_for_lead(status))


def build_operating_pages(
    database: Database, county: Configuration, stranded: StrandedCounts, resending: ResendRules
) -> list[PageGroup]:
    """Return the pages of operators and leads with what they need."""
    control, statuses = PostgresSendingControl(database), BroadcastStatuses(database)
    operating = OperatingService(control=control, resending=resending)
    return [
        BroadcastChangePages(operating=operating, statuses=statuses),
        OperatingPages(
            operating=operating,
            control=control,
            stranded=stranded,
            statuses=statuses,
            systems=county.systems,
            topics={topic.id: topic.title for topic in county.topics},
            templates=[f"{name}/{topic.language}" for topic in county.topics for name in topic.list_templates()],
        ),
    ]


def _describe_system(system: System, uses: Sequence[SourceUse]) -> SystemUse:
    own = [use for use in uses if use.source in system.sources]
    last = max(own, key=lambda use: use.last_at, default=None)
    return SystemUse(name=system.name, topics=system.topics, last=last, month=sum(use.month for use in own))

"""Assessment of a draft before it is sent: problems, audience, costs, and required approvals."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID, uuid4

import msgspec

from services.newsroom.adapters.drafts import PostgresDraftRepository
from services.newsroom.domain.accounts import Account, Right
from services.newsroom.domain.approval import (
    ApprovalRules,
    choose_verdict,
    find_approval_reasons,
    find_missing,
    find_obstacle,
)
from services.newsroom.domain.drafts import (
    DraftContent,
    DraftKind,
    DraftRefused,
    NoticeDraft,
    Verdict,
    explain_return,
    is_unchanged,
)
from services.newsroom.domain.explanations import explain_delays
from services.newsroom.domain.hints import find_similar
from services.newsroom.domain.outbox import NoticePublication, build_event, choose_revision
from services.newsroom.domain.progress import BroadcastStatus, count_followers
from services.newsroom.domain.sending import MonthBudget, SendingOverview
from shared.contracts.dispatch import PermittedHours
from shared.contracts.events import Problem
from shared.contracts.hours import find_opening
from shared.contracts.notices_http import NoticeForecast
from shared.notices.configuration import Configuration, System
from shared.notices.rules import validate_event
from shared.runtime.clock import Clock
from shared.runtime.notices_api import HttpNoticesApi, NoticesApiUnavailable

SIMILAR_DAYS = timedelta(days=7)
_NIL_ID = UUID(int=0)
_OVERTAKEN = Problem(field="revision", problem="does not know a newer one")
_NO_RECIPIENTS = Problem(field="follows", problem="nobody has got the first notice")
_UNCHANGED = Problem(field="subject", problem="is the same as what was published last")
_CENT = Decimal("0.01")
_AWAITS_YOU = "Die Meldung wartet auf Ihre Freigabe."


@dataclass(frozen=True, kw_only=True)
class DraftAssessment:
    """Assessment before sending; texts are in German. `problems` block it, and `returned`, which says who returned it.

    `reasons` are why a second person has to approve. `missing` names whose approval is missing, possibly this
    person's; `obstacle` is why they may not give it, `may_approve` whether their roles would permit it. `forecast` is
    None if the notices API did not answer, `budget` if messages are not limited. `delays` explain why messages would
    not be sent immediately, with `is_paused` not a single one; they do not block publishing.
    """

    problems: tuple[Problem, ...]
    forecast: NoticeForecast | None
    reasons: tuple[str, ...]
    missing: str | None
    obstacle: str | None
    may_approve: bool
    returned: str | None = None
    similar: tuple[tuple[str, datetime], ...] = ()
    budget: MonthBudget | None = None
    delays: tuple[str, ...] = ()
    is_paused: bool = False

    @property
    def budget_obstacle(self) -> str | None:
        return find_budget_obstacle(self.budget, self.forecast)

    @property
    def is_invalid(self) -> bool:
        """Return whether our rules forbid it; quotas of the notices API may permit it later."""
        return bool(self.problems) and (self.forecast is None or self.problems is not self.forecast.problems)

    @property
    def may_publish(self) -> bool:
        return not (self.problems or self.returned or self.budget_obstacle or self.missing)


@dataclass(frozen=True, kw_only=True)
class DraftAssessor:
    """Assessor of drafts. `system` is the municipal system that publishes for the newsroom.

    `list_revisions` returns the broadcasts of a source's notice. `hours` are those of the county, None for any.
    """

    drafts: PostgresDraftRepository
    notices: HttpNoticesApi
    rules: ApprovalRules
    configuration: Configuration
    system: System
    clock: Clock
    read_budget: Callable[[datetime | None, str, str | None], Awaitable[MonthBudget | None]]
    read_sending: Callable[[], Awaitable[SendingOverview]]
    list_revisions: Callable[[str, str], Awaitable[Sequence[BroadcastStatus]]]
    hours: PermittedHours | None = None

    async def evaluate(self, draft: NoticeDraft, account: Account) -> DraftAssessment:
        forecast = await self.estimate(draft)
        by_lead, reasons = self.is_for_lead(draft, forecast), self.list_reasons(draft, forecast)
        may_approve = account.may(Right.COUNTERSIGN if by_lead else Right.APPROVE)
        verdict = choose_verdict(account, by_lead=by_lead) if may_approve else None
        obstacle = find_obstacle(draft, account, verdict, by_lead=by_lead)
        missing = find_missing(draft, reasons, by_lead=by_lead)
        is_enough = verdict is not None and (not by_lead or verdict is Verdict.APPROVE_AMOUNT)
        since = self.clock() - SIMILAR_DAYS
        sending = await self.read_sending()
        recent = await self.drafts.list_recent_headlines(draft.content.topic, since, draft.subject)
        return DraftAssessment(
            problems=self.find_problems(draft) or (forecast.problems if forecast else ()),
            forecast=forecast,
            reasons=reasons,
            missing=_AWAITS_YOU if missing and is_enough and not obstacle else missing,
            obstacle=obstacle,
            may_approve=may_approve,
            returned=explain_return(draft),
            similar=find_similar(draft.content.headline, recent),
            budget=await self.read_budget(draft.content.scheduled_at, self.system.sources[0], draft.corrected),
            delays=self._explain_delays(draft, forecast, sending),
            is_paused=bool(sending.pause_reasons),
        )

    def _explain_delays(
        self, draft: NoticeDraft, forecast: NoticeForecast | None, sending: SendingOverview
    ) -> tuple[str, ...]:
        topic = self.configuration.find_topic(draft.content.topic)
        template = f"{topic.choose_template(draft.content.picture)}/{topic.language}" if topic else ""
        return explain_delays(sending, template, forecast.audience if forecast else None)

    def find_problems(self, draft: NoticeDraft) -> tuple[Problem, ...]:
        """Return every problem of the draft that the rules find without asking the notices API."""
        problems = validate_event(self._build_event(draft, _NIL_ID), self.system, self.configuration, self.clock())
        if is_unchanged(draft, self.clock()):
            return (_UNCHANGED, *problems)
        return (_OVERTAKEN, *problems) if draft.is_overtaken else problems

    def require_valid(
        self,
        draft: NoticeDraft,
        forecast: NoticeForecast | None = None,
        advice: str = "Bitte beheben Sie diese zuerst.",
    ) -> None:
        """Raise DraftRefused if the draft has problems."""
        if self.find_problems(draft) or (forecast and forecast.problems):
            raise DraftRefused(f"Die Meldung hat noch Fehler. {advice}")

    async def estimate(self, draft: NoticeDraft) -> NoticeForecast | None:
        """Return the forecast of the notices API; None if it does not answer, or the draft has problems already."""
        if self.find_problems(draft):
            return None
        try:
            forecast = await self.notices.check(self._build_event(draft, uuid4()))
        except NoticesApiUnavailable:
            return None
        return await self._complete_follow_up(draft, forecast)

    async def _complete_follow_up(self, draft: NoticeDraft, forecast: NoticeForecast) -> NoticeForecast:
        """Add audience and costs of a follow-up, which goes to all who have received the earlier notice or will."""
        topic = self.configuration.find_topic(draft.content.topic)
        if draft.kind is not DraftKind.FOLLOW_UP or forecast.audience is not None or not draft.corrects or not topic:
            return forecast
        followers = count_followers(await self.list_revisions(self.system.sources[0], draft.corrects))
        if followers is None:
            return forecast
        if not followers.people:
            return msgspec.structs.replace(forecast, audience=0, problems=(*forecast.problems, _NO_RECIPIENTS))
        extra = [f"{followers.waiting} still wait for the first notice"] if followers.waiting else []
        extra += ["who has several revisions counts several times"] if followers.is_maximum else []
        forecast = msgspec.structs.replace(forecast, audience=followers.people, blockers=(*forecast.blockers, *extra))
        costs = compute_costs(self.configuration, topic.id, followers.people)
        return msgspec.structs.replace(forecast, costs={} if costs is None else {str(topic.category): str(costs)})

    def list_reasons(self, draft: NoticeDraft, forecast: NoticeForecast | None) -> tuple[str, ...]:
        """Return why a second person has to approve; unknown costs count as a reason.

        A withdrawal needs no approval: it only stops messages.
        """
        if draft.kind is DraftKind.WITHDRAWAL:
            return ()
        reasons = find_approval_reasons(
            draft,
            self.rules,
            local_topics=self.configuration.local_topics,
            municipalities=self.configuration.municipalities,
            costs=_sum_costs(forecast),
            begins_at=self._find_begin(draft.content),
        )
        return tuple(reasons)

    def _find_begin(self, content: DraftContent) -> datetime:
        begins_at, hours = content.scheduled_at or self.clock(), self.hours
        if content.urgent or hours is None:
            return begins_at
        return find_opening(hours.opens, hours.closes, hours.zone, begins_at)

    def is_for_lead(self, draft: NoticeDraft, forecast: NoticeForecast | None) -> bool:
        """Return whether a lead has to approve what the draft costs."""
        return draft.kind is not DraftKind.WITHDRAWAL and self.rules.is_for_lead(_sum_costs(forecast))

    async def is_review_for_lead(self, draft: NoticeDraft) -> bool:
        """Return whether a lead has to review the emergency publication."""
        if self.rules.lead_euros is None:
            return False
        revisions = await self.list_revisions(self.system.sources[0], draft.subject)
        audience = next((each.audience for each in revisions if each.revision == draft.own_revision), None)
        return self.rules.is_for_lead(compute_costs(self.configuration, draft.content.topic, audience))

    def build_publication(
        self, draft: NoticeDraft, publication_id: UUID, forecast: NoticeForecast | None
    ) -> NoticePublication:
        return NoticePublication(
            id=publication_id,
            draft=draft.id,
            version=draft.version,
            revision=choose_revision(draft),
            event=msgspec.json.decode(self._build_event(draft, publication_id)),
            created_at=self.clock(),
            people=forecast.audience if forecast else None,
            approvals=tuple(each.id for each in draft.decisions if each.is_approval and not each.is_void),
        )

    def _build_event(self, draft: NoticeDraft, publication: UUID) -> bytes:
        return build_event(draft, source=self.system.sources[0], publication=publication, now=self.clock())


def compute_costs(configuration: Configuration, topic_id: str | None, people: int | None) -> Decimal | None:
    """Return the cost of messages about the topic to so many people, None if not known."""
    topic = configuration.find_topic(topic_id) if topic_id else None
    price = configuration.prices.get_price(topic.category) if topic else None
    return None if price is None or people is None else (people * price).quantize(_CENT, ROUND_HALF_UP)


def _sum_costs(forecast: NoticeForecast | None) -> Decimal | None:
    amounts = [Decimal(cost) for cost in forecast.costs.values()] if forecast else []
    return sum(amounts, Decimal()) if amounts else None


def find_budget_obstacle(budget: MonthBudget | None, forecast: NoticeForecast | None) -> str | None:
    """Return why the budget is not enough, in German; None if it is, or the audience is not known."""
    return budget.find_obstacle(forecast.audience) if budget and forecast else None

"""Acts on drafts. Permissions are checked here and in the domain, whatever a page offers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import msgspec

from services.newsroom.domain.accounts import Account, Right
from services.newsroom.domain.approval import (
    choose_verdict,
    find_emergency_obstacle,
    find_missing,
    find_review_obstacle,
    require_amount_right,
    require_approver,
)
from services.newsroom.domain.audit import Act, parse_reason
from services.newsroom.domain.drafts import (
    NOT_PUBLISHED,
    SUBMITTED,
    SUBMITTED_STATES,
    DraftAct,
    DraftContent,
    DraftDecision,
    DraftKind,
    DraftRefused,
    DraftState,
    DraftSubmitted,
    DraftVersion,
    NoticeDraft,
    Verdict,
    advance_state,
    build_author,
    drop_past_time,
    find_version_obstacle,
    refuse_if,
    require_version,
)
from services.newsroom.domain.outbox import DecidePublication, DraftChange
from services.newsroom.domain.sending import MonthBudget
from services.newsroom.handlers.assessing import DraftAssessor, find_budget_obstacle
from shared.contracts.notices_http import NoticeForecast


@dataclass(frozen=True, kw_only=True)
class DraftingService:
    """Acts on drafts, from creation to the outbox; `handed_over` is called when a publication waits there."""

    assessor: DraftAssessor
    handed_over: Callable[[], None]

    async def create(
        self,
        account: Account,
        content: DraftContent,
        *,
        kind: DraftKind = DraftKind.NOTICE,
        corrects: str | None = None,
        seen_revision: int = 0,
    ) -> NoticeDraft:
        """Create a draft, or resume an identical one that was never edited. Raises NotPermitted."""
        account.require(Right.WRITE)
        draft = self._build_draft(account, content, kind, corrects, seen_revision)
        return await self.assessor.drafts.create(draft, _build_act(account, "draft.created", draft))

    def _build_draft(
        self, account: Account, content: DraftContent, kind: DraftKind, corrects: str | None, seen_revision: int = 0
    ) -> NoticeDraft:
        now, draft_id = self.assessor.clock(), uuid4()
        author = build_author(account)
        return NoticeDraft(
            id=draft_id,
            notice=f"{now:%Y-%m-%d}-{draft_id.hex[-8:]}",
            kind=kind,
            state=DraftState.DRAFT,
            newest=DraftVersion(version=1, content=content, author=author, saved_at=now, seen_revision=seen_revision),
            created_by=author,
            changed_at=now,
            corrects=corrects,
        )

    async def save(
        self, account: Account, draft_id: UUID, version: int, content: DraftContent, *, takes_back: bool = True
    ) -> NoticeDraft:
        """Store a new version if the content differs; this voids approvals of the earlier version.

        Without `takes_back`, a submitted or approved draft is refused. Raises NotPermitted, DraftNotFound,
        DraftConflict, DraftRefused.
        """
        account.require(Right.WRITE)

        def decide(draft: NoticeDraft) -> DraftChange | None:
            state = advance_state(draft.state, DraftAct.SAVE)
            if content == draft.content:
                return None  # an autosave may have stored it just before
            require_version(draft, version)
            if draft.state in SUBMITTED_STATES and not takes_back:
                raise DraftSubmitted(SUBMITTED)
            return self._build_version(account, draft, state, content, draft.newest.seen_revision)

        return await self.assessor.drafts.change(draft_id, decide)

    async def mark_newest_seen(self, account: Account, draft_id: UUID, version: int) -> NoticeDraft:
        """Record that the editor knows of the newer revision, as a new version that needs its own approval.

        Raises as `save`.
        """
        account.require(Right.WRITE)

        def decide(draft: NoticeDraft) -> DraftChange:
            require_version(draft, version)
            state = advance_state(draft.state, DraftAct.SAVE)
            return self._build_version(account, draft, state, draft.content, draft.revision)

        return await self.assessor.drafts.change(draft_id, decide)

    def _build_version(
        self, account: Account, draft: NoticeDraft, state: DraftState, content: DraftContent, seen_revision: int
    ) -> DraftChange:
        now = self.assessor.clock()
        version = DraftVersion(
            version=draft.version + 1,
            content=content,
            author=build_author(account),
            saved_at=now,
            seen_revision=seen_revision,
        )
        act = _build_act(account, "draft.saved", replace(draft, newest=version))
        return DraftChange(actor=account, act=act, state=state, changed_at=now, version=version)

    async def submit(self, account: Account, draft_id: UUID, version: int) -> NoticeDraft:
        """Submit for approval. Raises as `save`."""
        account.require(Right.WRITE)

        def decide(draft: NoticeDraft) -> DraftChange:
            require_version(draft, version)
            state = advance_state(draft.state, DraftAct.SUBMIT)
            refuse_if(find_version_obstacle(draft, self.assessor.clock()))
            self.assessor.require_valid(draft)
            return self._build_change(account, draft, "draft.submitted", state, Verdict.SUBMIT)

        return await self.assessor.drafts.change(draft_id, decide)

    async def approve(self, account: Account, draft_id: UUID, version: int) -> NoticeDraft:
        """Approve the version that was read. Raises as `save`; nobody can approve their own version.

        Above the amount that leads have to approve, the draft waits for a lead's approval as well.
        """
        by_lead = await self._is_for_lead(account, draft_id, version)
        verdict = choose_verdict(account, by_lead=by_lead)

        def decide(draft: NoticeDraft) -> DraftChange:
            require_version(draft, version)
            state = require_approver(draft, account, verdict, by_lead=by_lead)
            refuse_if(find_version_obstacle(draft, self.assessor.clock()))
            self.assessor.require_valid(draft, advice="Bitte geben Sie sie mit einer Begründung zurück.")
            return self._build_change(account, draft, "draft.approved", state, verdict)

        return await self.assessor.drafts.change(draft_id, decide)

    async def _is_for_lead(self, account: Account, draft_id: UUID, version: int) -> bool:
        """Return whether a lead has to approve the version that was read. Raises as `save`."""
        account.require(Right.COUNTERSIGN)
        draft = await self.assessor.drafts.find(draft_id)
        require_version(draft, version)
        if self.assessor.rules.lead_euros is None:  # no need to ask for the price
            return False
        return self.assessor.is_for_lead(draft, await self.assessor.estimate(draft))

    async def send_back(self, account: Account, draft_id: UUID, version: int, reason: str) -> NoticeDraft:
        """Return the version that was read, with a reason, to its author. Raises as `save`."""
        choose_verdict(account, by_lead=await self._is_for_lead(account, draft_id, version))
        reason = parse_reason(reason, "Bitte schreiben Sie, was zu ändern ist.", DraftRefused)

        def decide(draft: NoticeDraft) -> DraftChange:
            require_version(draft, version)
            state = advance_state(draft.state, DraftAct.RETURN)
            return self._build_change(account, draft, "draft.returned", state, Verdict.RETURN, reason)

        return await self.assessor.drafts.change(draft_id, decide)

    async def discard(self, account: Account, draft_id: UUID, version: int) -> NoticeDraft:
        """Discard one's own draft. Raises as `save`."""
        account.require(Right.WRITE)

        def decide(draft: NoticeDraft) -> DraftChange:
            require_version(draft, version)
            state = advance_state(draft.state, DraftAct.DISCARD)
            if account.person != draft.created_by.person:
                raise DraftRefused(f"Nur {draft.created_by.name} kann diesen Entwurf verwerfen.")
            return self._build_change(account, draft, "draft.discarded", state)

        return await self.assessor.drafts.change(draft_id, decide)

    async def publish_emergency(self, account: Account, draft_id: UUID, version: int, reason: str) -> NoticeDraft:
        """Publish an urgent notice before its approval; somebody else reviews it afterwards.

        Raises as `save`.
        """
        account.require(Right.WRITE)
        reason = parse_reason(reason, "Bitte schreiben Sie, warum die Meldung nicht warten kann.", DraftRefused)
        return await self._publish(account, draft_id, version, reason)

    async def publish(self, account: Account, draft_id: UUID, version: int) -> NoticeDraft:
        """Hand the version that was read to the outbox, in the transaction that checks all rules. Raises as `save`."""
        return await self._publish(account, draft_id, version, None)

    async def _publish(self, account: Account, draft_id: UUID, version: int, emergency: str | None) -> NoticeDraft:
        account.require(Right.SEND)
        draft = await self.assessor.drafts.find(draft_id)
        require_version(draft, version)  # the estimate has to be of the version that is published
        # A withdrawal does not wait for an estimate: messages go out meanwhile.
        forecast = None if draft.kind is DraftKind.WITHDRAWAL else await self.assessor.estimate(draft)
        decide = self._build_decision(account, version, forecast, emergency)
        published = await self.assessor.drafts.publish(draft_id, decide)
        self.handed_over()
        return published

    def _build_decision(
        self, account: Account, version: int, forecast: NoticeForecast | None = None, emergency: str | None = None
    ) -> DecidePublication:
        publication_id = uuid4()

        def decide(draft: NoticeDraft, budget: MonthBudget | None) -> DraftChange:
            require_version(draft, version)
            state = advance_state(draft.state, DraftAct.PUBLISH)
            refuse_if(find_version_obstacle(draft, self.assessor.clock()))
            self.assessor.require_valid(draft, forecast)
            if emergency is None:
                refuse_if(find_budget_obstacle(budget, forecast))
                reasons = self.assessor.list_reasons(draft, forecast)
                missing = find_missing(draft, reasons, by_lead=self.assessor.is_for_lead(draft, forecast))
                refuse_if(missing and " ".join((missing, *reasons)))
            else:
                refuse_if(find_emergency_obstacle(draft.content, self.assessor.rules))
            verdict, action, reason = None, "draft.published", ""
            if emergency:
                verdict, action, reason = Verdict.EMERGENCY, "draft.published_in_emergency", emergency
            elif draft.kind is DraftKind.WITHDRAWAL:
                action, reason = "draft.withdrawn", draft.content.reason
            change = self._build_change(account, draft, action, state, verdict, reason)
            publication = self.assessor.build_publication(draft, publication_id, forecast)
            return replace(change, publication=publication, emergency=emergency)

        return decide

    async def review(self, account: Account, draft_id: UUID, version: int) -> NoticeDraft:
        """Record a second person's review of an emergency publication. Raises as `save`."""
        account.require(Right.COUNTERSIGN)
        require_amount_right(
            account, by_lead=await self.assessor.is_review_for_lead(await self.assessor.drafts.find(draft_id))
        )

        def decide(draft: NoticeDraft) -> DraftChange:
            require_version(draft, version)
            refuse_if(find_review_obstacle(draft, account))
            return self._build_change(account, draft, "draft.reviewed", draft.state, Verdict.REVIEW)

        return await self.assessor.drafts.change(draft_id, decide)

    async def copy(self, account: Account, draft_id: UUID) -> NoticeDraft:
        """Begin a new notice with the content of another one, but not its times. Raises NotPermitted, DraftNotFound."""
        original = await self.assessor.drafts.find(draft_id)
        content = msgspec.structs.replace(original.content, scheduled_at=None, expires_at=None)
        return await self.create(account, content)

    async def correct(self, account: Account, draft_id: UUID) -> NoticeDraft:
        """Begin the next revision of a published notice; it keeps a scheduled time in the future. Raises as `save`."""
        original = await self.find_published(draft_id)
        content = drop_past_time(original.content, self.assessor.clock())
        return await self.create(
            account, content, kind=DraftKind.UPDATE, corrects=original.subject, seen_revision=original.own_revision
        )

    async def follow_up(self, account: Account, draft_id: UUID) -> NoticeDraft:
        """Begin a notice to exactly the recipients of a published one. Raises as `save`."""
        original = await self.find_published(draft_id)
        content = DraftContent(topic=original.content.topic, urgent=original.content.urgent)
        return await self.create(account, content, kind=DraftKind.FOLLOW_UP, corrects=original.subject)

    async def withdraw(self, account: Account, draft_id: UUID, reason: str) -> NoticeDraft:
        """Withdraw a published notice at once, for all who have not received it yet. Raises as `save`."""
        account.require(Right.WRITE)
        account.require(Right.SEND)
        reason = parse_reason(reason, "Bitte schreiben Sie einen Grund.", DraftRefused)
        original = await self.find_published(draft_id)
        content = DraftContent(topic=original.content.topic, headline=original.content.headline, reason=reason)
        withdrawal = self._build_draft(account, content, DraftKind.WITHDRAWAL, original.subject)
        # Nobody can edit a withdrawal, so an invalid one is not stored.
        if any(problem.field == "reason" for problem in self.assessor.find_problems(withdrawal)):
            raise DraftRefused("Der Grund darf weder eine fremde Internetadresse noch unsichtbare Zeichen enthalten.")
        self.assessor.require_valid(withdrawal)
        created = _build_act(account, "draft.created", withdrawal)
        decide = self._build_decision(account, withdrawal.version)
        published = await self.assessor.drafts.create_published(withdrawal, created, decide)
        self.handed_over()
        return published

    def _build_change(
        self,
        account: Account,
        draft: NoticeDraft,
        action: str,
        state: DraftState,
        verdict: Verdict | None = None,
        reason: str = "",
    ) -> DraftChange:
        now = self.assessor.clock()
        author, act = build_author(account), _build_act(account, action, draft, reason)
        decision = verdict and DraftDecision(
            id=uuid4(), verdict=verdict, version=draft.version, author=author, decided_at=now, reason=reason
        )
        return DraftChange(actor=account, act=act, state=state, changed_at=now, decision=decision or None)

    async def find_published(self, draft_id: UUID) -> NoticeDraft:
        """Return a published notice. Raises DraftNotFound, DraftRefused."""
        draft = await self.assessor.drafts.find(draft_id)
        if draft.state is not DraftState.PUBLISHED or draft.kind is DraftKind.WITHDRAWAL:
            raise DraftRefused(NOT_PUBLISHED)
        return draft


def _build_act(account: Account, action: str, draft: NoticeDraft, reason: str = "") -> Act:
    detail = {"draft": str(draft.id), "version": str(draft.version), **({"reason": reason} if reason else {})}
    return Act(account=account.id, action=action, object=draft.subject, detail=detail)

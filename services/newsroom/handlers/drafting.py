"""Acts on drafts: who may do what is decided here and in the domain, whatever a page offers."""

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
from services.newsroom.domain.outbox import DecidePublication, DraftChange, NoticeForecast
from services.newsroom.domain.sending import MonthBudget
from services.newsroom.handlers.assessing import DraftAssessor, find_budget_obstacle


@dataclass(frozen=True, kw_only=True)
class DraftingService:
    """Drafts, from the first word to the outbox. `handed_over` is called when something waits there."""

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
        """Begin a draft, or go on with one that was begun like it and left as it was. Raises NotPermitted."""
        account.require(Right.WRITE)
        draft = self._build_draft(account, content, kind, corrects, seen_revision)
        return await self.assessor.drafts.create(draft, _build_act(account, "draft.created", draft))

    def _build_draft(
        self, account: Account, content: DraftContent, kind: DraftKind, corrects: str | None, seen_revision: int = 0
    ) -> NoticeDraft:
        now, identifier = self.assessor.clock(), uuid4()
        author = build_author(account)
        return NoticeDraft(
            id=identifier,
            notice=f"{now:%Y-%m-%d}-{identifier.hex[-8:]}",
            kind=kind,
            state=DraftState.DRAFT,
            newest=DraftVersion(version=1, content=content, author=author, saved_at=now, seen_revision=seen_revision),
            created_by=author,
            changed_at=now,
            corrects=corrects,
        )

    async def save(
        self, account: Account, draft: UUID, seen: int, content: DraftContent, *, takes_back: bool = True
    ) -> NoticeDraft:
        """Store a new version, unless it says the same; an approval of the earlier one is void.

        Without `takes_back` what was submitted or approved stays as it is. Raises NotPermitted, DraftNotFound,
        DraftConflict, DraftRefused.
        """
        account.require(Right.WRITE)

        def decide(found: NoticeDraft) -> DraftChange | None:
            state = advance_state(found.state, DraftAct.SAVE)
            if content == found.content:
                return None  # the page may have saved it by itself just before
            require_version(found, seen)
            if found.state in SUBMITTED_STATES and not takes_back:
                raise DraftSubmitted(SUBMITTED)
            return self._build_version(account, found, state, content, found.newest.seen_revision)

        return await self.assessor.drafts.change(draft, decide)

    async def mark_newest_seen(self, account: Account, draft: UUID, seen: int) -> NoticeDraft:
        """Store that the editor is told of a newer revision, as a version that has to be approved anew.

        Raises as `save`.
        """
        account.require(Right.WRITE)

        def decide(found: NoticeDraft) -> DraftChange:
            require_version(found, seen)
            state = advance_state(found.state, DraftAct.SAVE)
            return self._build_version(account, found, state, found.content, found.revision)

        return await self.assessor.drafts.change(draft, decide)

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
        return DraftChange(actor=account, act=act, state=state, at=now, version=version)

    async def submit(self, account: Account, draft: UUID, seen: int) -> NoticeDraft:
        """Ask for an approval. Raises as `save`."""
        account.require(Right.WRITE)

        def decide(found: NoticeDraft) -> DraftChange:
            require_version(found, seen)
            state = advance_state(found.state, DraftAct.SUBMIT)
            refuse_if(find_version_obstacle(found, self.assessor.clock()))
            self.assessor.require_valid(found)
            return self._build_change(account, found, "draft.submitted", state, Verdict.SUBMIT)

        return await self.assessor.drafts.change(draft, decide)

    async def approve(self, account: Account, draft: UUID, seen: int) -> NoticeDraft:
        """Approve the version that was read. Raises as `save`; refuses the person whose own it is.

        What costs as much as the leads have to approve waits for one of them, whoever else has approved it.
        """
        by_lead = await self._is_for_lead(account, draft, seen)
        verdict = choose_verdict(account, by_lead=by_lead)

        def decide(found: NoticeDraft) -> DraftChange:
            require_version(found, seen)
            state = require_approver(found, account, verdict, by_lead=by_lead)
            refuse_if(find_version_obstacle(found, self.assessor.clock()))
            self.assessor.require_valid(found, advice="Bitte geben Sie sie mit einer Begründung zurück.")
            return self._build_change(account, found, "draft.approved", state, verdict)

        return await self.assessor.drafts.change(draft, decide)

    async def _is_for_lead(self, account: Account, draft: UUID, seen: int) -> bool:
        """Return whether a lead has to approve the version that was read. Raises as `save`."""
        account.require(Right.COUNTERSIGN)
        read = await self.assessor.drafts.find(draft)
        require_version(read, seen)
        if self.assessor.rules.lead_euros is None:  # nobody has to be asked for the price
            return False
        return self.assessor.is_for_lead(read, await self.assessor.estimate(read))

    async def send_back(self, account: Account, draft: UUID, seen: int, reason: str) -> NoticeDraft:
        """Return the version that was read, with a reason. Raises as `save`."""
        choose_verdict(account, by_lead=await self._is_for_lead(account, draft, seen))
        why = parse_reason(reason, "Bitte schreiben Sie, was zu ändern ist.", DraftRefused)

        def decide(found: NoticeDraft) -> DraftChange:
            require_version(found, seen)
            state = advance_state(found.state, DraftAct.RETURN)
            return self._build_change(account, found, "draft.returned", state, Verdict.RETURN, why)

        return await self.assessor.drafts.change(draft, decide)

    async def discard(self, account: Account, draft: UUID, seen: int) -> NoticeDraft:
        """Discard one's own draft. Raises as `save`."""
        account.require(Right.WRITE)

        def decide(found: NoticeDraft) -> DraftChange:
            require_version(found, seen)
            state = advance_state(found.state, DraftAct.DISCARD)
            if account.person != found.created_by.person:
                raise DraftRefused(f"Nur {found.created_by.name} kann diesen Entwurf verwerfen.")
            return self._build_change(account, found, "draft.discarded", state)

        return await self.assessor.drafts.change(draft, decide)

    async def publish(self, account: Account, draft: UUID, seen: int) -> NoticeDraft:
        """Hand the version that was read to the outbox, in the transaction that checks all rules. Raises as `save`."""
        return await self._publish(account, draft, seen)

    async def publish_emergency(self, account: Account, draft: UUID, seen: int, reason: str) -> NoticeDraft:
        """Publish what is urgent before anybody has approved it; somebody else reviews it afterwards.

        Raises as `save`.
        """
        account.require(Right.WRITE)
        why = parse_reason(reason, "Bitte schreiben Sie, warum die Meldung nicht warten kann.", DraftRefused)
        return await self._publish(account, draft, seen, emergency=why)

    async def _publish(self, account: Account, draft: UUID, seen: int, emergency: str | None = None) -> NoticeDraft:
        account.require(Right.SEND)
        read = await self.assessor.drafts.find(draft)
        require_version(read, seen)  # what is estimated is the version that is published
        # A withdrawal waits for nothing: messages go out meanwhile.
        forecast = None if read.kind is DraftKind.WITHDRAWAL else await self.assessor.estimate(read)
        published = await self.assessor.drafts.publish(draft, self._build_decision(account, seen, forecast, emergency))
        self.handed_over()
        return published

    def _build_decision(
        self, account: Account, seen: int, forecast: NoticeForecast | None = None, emergency: str | None = None
    ) -> DecidePublication:
        publication = uuid4()

        def decide(found: NoticeDraft, budget: MonthBudget | None) -> DraftChange:
            require_version(found, seen)
            state = advance_state(found.state, DraftAct.PUBLISH)
            refuse_if(find_version_obstacle(found, self.assessor.clock()))
            self.assessor.require_valid(found, forecast)
            if emergency is None:
                refuse_if(find_budget_obstacle(budget, forecast))
                reasons = self.assessor.list_reasons(found, forecast)
                missing = find_missing(found, reasons, by_lead=self.assessor.is_for_lead(found, forecast))
                refuse_if(missing and " ".join((missing, *reasons)))
            else:
                refuse_if(find_emergency_obstacle(found.content, self.assessor.rules))
            action, why = _name_publication(found, emergency)
            verdict = Verdict.EMERGENCY if emergency else None
            change = self._build_change(account, found, action, state, verdict, why)
            handed_over = self.assessor.build_publication(found, publication, forecast)
            return replace(change, publication=handed_over, emergency=emergency)

        return decide

    async def review(self, account: Account, draft: UUID, seen: int) -> NoticeDraft:
        """Record that a second person has looked at what was published in an emergency. Raises as `save`."""
        account.require(Right.COUNTERSIGN)
        require_amount_right(
            account, by_lead=await self.assessor.is_review_for_lead(await self.assessor.drafts.find(draft))
        )

        def decide(found: NoticeDraft) -> DraftChange:
            require_version(found, seen)
            refuse_if(find_review_obstacle(found, account))
            return self._build_change(account, found, "draft.reviewed", found.state, Verdict.REVIEW)

        return await self.assessor.drafts.change(draft, decide)

    async def copy(self, account: Account, draft: UUID) -> NoticeDraft:
        """Begin a new notice with the words of another one, but not its times. Raises NotPermitted, DraftNotFound."""
        found = await self.assessor.drafts.find(draft)
        content = msgspec.structs.replace(found.content, scheduled_at=None, expires_at=None)
        return await self.create(account, content)

    async def correct(self, account: Account, draft: UUID) -> NoticeDraft:
        """Begin the next revision of a published notice, which keeps a time that is to come. Raises as `save`."""
        found = await self.find_published(draft)
        content = drop_past_time(found.content, self.assessor.clock())
        return await self.create(
            account, content, kind=DraftKind.UPDATE, corrects=found.subject, seen_revision=found.own_revision
        )

    async def follow_up(self, account: Account, draft: UUID) -> NoticeDraft:
        """Begin a notice to exactly the recipients of a published one. Raises as `save`."""
        found = await self.find_published(draft)
        content = DraftContent(topic=found.content.topic, urgent=found.content.urgent)
        return await self.create(account, content, kind=DraftKind.FOLLOW_UP, corrects=found.subject)

    async def withdraw(self, account: Account, draft: UUID, reason: str) -> NoticeDraft:
        """Withdraw a published notice at once: nobody who has not got it will get it. Raises as `save`."""
        account.require(Right.WRITE)
        account.require(Right.SEND)
        why = parse_reason(reason, "Bitte schreiben Sie einen Grund.", DraftRefused)
        found = await self.find_published(draft)
        content = DraftContent(topic=found.content.topic, headline=found.content.headline, reason=why)
        withdrawal = self._build_draft(account, content, DraftKind.WITHDRAWAL, found.subject)
        # Nobody edits a withdrawal: one that is refused is not stored.
        if any(problem.field == "reason" for problem in self.assessor.find_problems(withdrawal)):
            raise DraftRefused("Der Grund darf weder eine fremde Internetadresse noch unsichtbare Zeichen enthalten.")
        self.assessor.require_valid(withdrawal)
        begun = _build_act(account, "draft.created", withdrawal)
        decide = self._build_decision(account, withdrawal.version)
        published = await self.assessor.drafts.create_published(withdrawal, begun, decide)
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
        said = verdict and DraftDecision(
            id=uuid4(), verdict=verdict, version=draft.version, by=build_author(account), at=now, reason=reason
        )
        act = _build_act(account, action, draft, reason)
        return DraftChange(actor=account, act=act, state=state, at=now, decision=said or None)

    async def find_published(self, draft: UUID) -> NoticeDraft:
        """Return a published notice. Raises DraftNotFound, DraftRefused."""
        found = await self.assessor.drafts.find(draft)
        if found.state is not DraftState.PUBLISHED or found.kind is DraftKind.WITHDRAWAL:
            raise DraftRefused("Die Meldung ist nicht veröffentlicht.")
        return found


def _name_publication(draft: NoticeDraft, emergency: str | None) -> tuple[str, str]:
    """Return what publishing the draft is on record as, and its reason; empty for what needs none."""
    if draft.kind is DraftKind.WITHDRAWAL:
        return "draft.withdrawn", draft.content.reason
    return ("draft.published_in_emergency", emergency) if emergency else ("draft.published", "")


def _build_act(account: Account, action: str, draft: NoticeDraft, reason: str = "") -> Act:
    detail = {"draft": str(draft.id), "version": str(draft.version), **({"reason": reason} if reason else {})}
    return Act(account=account.id, action=action, object=draft.subject, detail=detail)

"""Four-eyes rule by risk: when a second person has to approve, and who may do so."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, time
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from services.newsroom.domain.accounts import Account, NotPermitted, Right
from services.newsroom.domain.drafts import (
    NOT_WAITING,
    DraftAct,
    DraftContent,
    DraftDecision,
    DraftKind,
    DraftState,
    DraftVersion,
    NoticeDraft,
    Verdict,
    advance_state,
    refuse_if,
)
from shared.notices.configuration import TopicId

_LEAD_DECIDES = "Wenn es so viel kostet, oder die Kosten nicht bekannt sind, entscheidet jemand mit der Rolle Leitung."
_RESPONSIBLE: Mapping[Verdict, str] = {
    Verdict.APPROVE: "Freigegeben",
    Verdict.APPROVE_AMOUNT: "Freigegeben",
    Verdict.EMERGENCY: "Im Notfall gesendet",
    Verdict.REVIEW: "Nachträglich geprüft",
}


class ApprovalRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules for the notices that one person may send alone; by default none.

    Such notices are about `routine_topics`, cost at most `max_euros`, and are not sent between `night_begins` and
    `night_ends` in `zone`. With `urgent_alone` one person may also send urgent notices, with `whole_county_alone` those
    about a local topic without a limit to municipalities. With `emergency` an editor may send before approval, giving a
    reason; somebody else reviews it afterwards. Above `lead_euros` a lead has to approve or review; None means never.
    Raises ValueError for an unknown zone.
    """

    routine_topics: tuple[TopicId, ...] = ()
    max_euros: Decimal = Decimal(0)
    lead_euros: Decimal | None = None
    night_begins: time = time(21)
    night_ends: time = time(6)
    zone: str = "Europe/Berlin"
    urgent_alone: bool = False
    whole_county_alone: bool = False
    emergency: bool = False

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("the night needs a time zone such as Europe/Berlin") from None

    def is_for_lead(self, costs: Decimal | None) -> bool:
        """Return whether a lead has to approve these costs; unknown costs count as too high."""
        return self.lead_euros is not None and (costs is None or costs > self.lead_euros)


def find_approval_reasons(
    draft: NoticeDraft,
    rules: ApprovalRules,
    *,
    local_topics: frozenset[str],
    municipalities: Collection[str],
    costs: Decimal | None,
    begins_at: datetime,
) -> Iterator[str]:
    """Yield why a second person has to approve, in German; unknown costs count as too high.

    A notice to all `municipalities` of the county is one to the whole county. Sending would begin at `begins_at`.
    """
    content = draft.content
    if content.topic not in rules.routine_topics:
        yield "Meldungen zu diesem Thema gibt immer eine zweite Person frei."
    if content.urgent and not rules.urgent_alone:
        yield "Die Meldung ist eine Eilmeldung."
    if _is_night(begins_at, rules):
        yield f"Sie würde nachts gesendet (zwischen {rules.night_begins:%H:%M} und {rules.night_ends:%H:%M} Uhr)."
    is_limited = draft.kind is DraftKind.FOLLOW_UP or 0 < len({*content.municipalities}) < len(municipalities)
    if content.topic in local_topics and not is_limited and not rules.whole_county_alone:
        yield "Sie geht im ganzen Landkreis an alle, die das Thema abonniert haben."
    if costs is None:
        yield "Was sie kostet, ist gerade nicht bekannt."
    elif costs > rules.max_euros:
        yield f"Sie kostet mehr als {_format_euros(rules.max_euros)}."
    if rules.lead_euros is not None and rules.is_for_lead(costs):
        yield f"Was mehr als {_format_euros(rules.lead_euros)} kostet, gibt jemand mit der Rolle Leitung frei."


def _is_night(moment: datetime, rules: ApprovalRules) -> bool:
    local = moment.astimezone(ZoneInfo(rules.zone)).time()
    begin, end = rules.night_begins, rules.night_ends
    return begin <= local < end if begin <= end else local >= begin or local < end


def _format_euros(amount: Decimal) -> str:
    return f"{amount:,.2f} Euro".translate(str.maketrans(",.", ".,"))


def describe_costs(costs: Decimal | None, *, by_lead: bool) -> str:
    """Return the costs of sending again, and whether a lead has to do it, in German."""
    price = f"Das kostet etwa {_format_euros(costs)}." if costs is not None else "Was das kostet, ist nicht bekannt."
    return f"{price} {_LEAD_DECIDES}" if by_lead else price


def is_approved(draft: NoticeDraft, *, by_lead: bool) -> bool:
    """Return whether a second person has approved this version and nobody returned it, regardless of the state.

    An approval counts only while its giver has the right to it. With `by_lead` one has to be a lead's.
    """
    owners = list_owners(draft)
    valid = (approval for approval in _list_approvals(draft) if not approval.is_void)
    verdicts = {approval.verdict for approval in valid if approval.author.person not in owners}
    is_enough = Verdict.APPROVE_AMOUNT in verdicts if by_lead else bool(verdicts)
    return draft.find_return() is None and is_enough


def find_emergency_obstacle(content: DraftContent, rules: ApprovalRules) -> str | None:
    """Return why this may not be sent without approval, in German; None if it may."""
    if not rules.emergency:
        return "Der Notfallweg ist in diesem Landkreis nicht eingerichtet."
    if not content.urgent:
        return "Der Notfallweg ist nur für Eilmeldungen."
    return "Was geplant ist, kann auf eine Freigabe warten." if content.scheduled_at else None


def find_missing(draft: NoticeDraft, reasons: tuple[str, ...], *, by_lead: bool) -> str | None:
    """Return whose approval is missing, in German; None if the draft may be published."""
    if not reasons or is_approved(draft, by_lead=by_lead):
        return None
    who = "Jemand mit der Rolle Leitung" if by_lead else "Eine zweite Person"
    return f"{who} muss die Meldung freigeben."


def choose_verdict(account: Account, *, by_lead: bool) -> Verdict:
    """Return the verdict by which this account approves; `by_lead`: a lead has to approve. Raises NotPermitted."""
    if by_lead and account.may(Right.APPROVE_AMOUNTS):
        return Verdict.APPROVE_AMOUNT
    account.require(Right.APPROVE)
    return Verdict.APPROVE


def require_amount_right(account: Account, *, by_lead: bool) -> None:
    """Raise NotPermitted unless the account may decide alone about such an amount."""
    if not by_lead:
        account.require(Right.APPROVE)
    elif not account.may(Right.APPROVE_AMOUNTS):
        raise NotPermitted(_LEAD_DECIDES)


def find_obstacle(
    draft: NoticeDraft, actor: Account, verdict: Verdict | None = None, *, by_lead: bool = False
) -> str | None:
    """Return why this person may not approve the draft, in German; None if they may.

    An approver is a second human: not the author or submitter of this version under any account of theirs.
    """
    is_waiting = draft.state in (DraftState.PENDING, DraftState.ESCALATED)
    if not is_waiting and (draft.state is not DraftState.APPROVED or is_approved(draft, by_lead=by_lead)):
        return NOT_WAITING
    if actor.person in list_owners(draft):
        return "Eigene Meldungen gibt eine andere Person frei."
    if any(approval.author.account == actor.id and approval.verdict is verdict for approval in _list_approvals(draft)):
        return "Sie haben diesen Stand schon freigegeben."
    return None


def require_approver(draft: NoticeDraft, actor: Account, verdict: Verdict, *, by_lead: bool) -> DraftState:
    """Return the state after the actor's approval. Raises DraftRefused."""
    after = advance_state(draft.state, DraftAct.APPROVE)
    refuse_if(find_obstacle(draft, actor, verdict, by_lead=by_lead))
    return DraftState.ESCALATED if by_lead and verdict is not Verdict.APPROVE_AMOUNT else after


def find_review(draft: NoticeDraft) -> DraftDecision | None:
    """Return the review of an emergency publication, None if there is none yet."""
    return next((decision for decision in draft.current_decisions if decision.verdict is Verdict.REVIEW), None)


def find_review_obstacle(draft: NoticeDraft, actor: Account) -> str | None:
    """Return why the actor may not review an emergency publication, in German; None if they may."""
    if not draft.is_emergency or find_review(draft):
        return "Hier ist nichts nachträglich zu prüfen."
    return "Eigene Meldungen prüft eine andere Person." if actor.person in list_owners(draft) else None


def _list_approvals(draft: NoticeDraft) -> list[DraftDecision]:
    return [decision for decision in draft.current_decisions if decision.is_approval]


def list_owners(draft: NoticeDraft) -> frozenset[UUID]:
    """Return the humans who wrote or submitted this version, and so cannot approve it."""
    submitting = (Verdict.SUBMIT, Verdict.EMERGENCY)
    submitters = (decision.author.person for decision in draft.current_decisions if decision.verdict in submitting)
    return frozenset((draft.newest.author.person, *submitters))


def list_responsible(draft: NoticeDraft, version: DraftVersion) -> Iterator[tuple[str, str, datetime | None]]:
    """Yield label, value and time: who wrote, approved and reviewed the version, and why it was an emergency."""
    decisions = [decision for decision in draft.decisions if decision.version == version.version]
    yield "Verfasst", version.author.name, version.saved_at
    for decision in decisions:
        if decision.is_void:
            yield "Freigabe, die nicht galt", decision.author.name, decision.decided_at
        elif decision.verdict in _RESPONSIBLE and (draft.is_emergency or decision.is_approval):
            yield _RESPONSIBLE[decision.verdict], decision.author.name, decision.decided_at
    if draft.is_emergency:
        if not any(decision.is_approval and not decision.is_void for decision in decisions):
            yield "Freigabe", "keine: im Notfall gesendet", None
        yield "Grund des Notfalls", draft.emergency or "", None
        if not any(decision.verdict is Verdict.REVIEW for decision in decisions):
            yield _RESPONSIBLE[Verdict.REVIEW], "noch nicht", None

"""Four eyes by risk: when a second person has to approve, and who may be that person."""

from collections.abc import Iterator, Mapping
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
    """Rules about the notices that one person may send alone; without any setting, none.

    They are about `routine_topics`, cost at most `max_euros`, and are not sent between `night_begins` and `night_ends`
    in `zone`. With `urgent_alone` one person may also send what is urgent, with `whole_county_alone` what is about a
    local topic and not limited to municipalities. With `emergency` an editor may send before anybody has approved, with
    a reason; somebody else reviews it afterwards. Above `lead_euros` a lead has to approve, or to review; None is no
    such amount. Raises ValueError for an unknown zone.
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
        """Return whether a lead has to approve these costs; costs that are not known count as too high."""
        return self.lead_euros is not None and (costs is None or costs > self.lead_euros)


def find_approval_reasons(
    draft: NoticeDraft, rules: ApprovalRules, *, local_topics: frozenset[str], costs: Decimal | None, now: datetime
) -> Iterator[str]:
    """Yield why a second person has to approve, in German; costs that are not known count as too high."""
    content = draft.content
    if content.topic not in rules.routine_topics:
        yield "Meldungen zu diesem Thema gibt immer eine zweite Person frei."
    if content.urgent and not rules.urgent_alone:
        yield "Die Meldung ist eine Eilmeldung."
    if _is_night(content.scheduled_at or now, rules):
        yield f"Sie würde nachts gesendet (zwischen {rules.night_begins:%H:%M} und {rules.night_ends:%H:%M} Uhr)."
    is_whole = content.topic in local_topics and not content.municipalities and draft.kind is not DraftKind.FOLLOW_UP
    if is_whole and not rules.whole_county_alone:
        yield "Sie geht im ganzen Landkreis an alle, die das Thema abonniert haben."
    if costs is None:
        yield "Was sie kostet, ist gerade nicht bekannt."
    elif costs > rules.max_euros:
        yield f"Sie kostet mehr als {_format_euros(rules.max_euros)}."
    if rules.lead_euros is not None and rules.is_for_lead(costs):
        yield f"Was mehr als {_format_euros(rules.lead_euros)} kostet, gibt jemand mit der Rolle Leitung frei."


def _is_night(moment: datetime, rules: ApprovalRules) -> bool:
    local = moment.astimezone(ZoneInfo(rules.zone)).time()
    begins, ends = rules.night_begins, rules.night_ends
    return begins <= local < ends if begins <= ends else local >= begins or local < ends


def _format_euros(amount: Decimal) -> str:
    return f"{amount:,.2f} Euro".translate(str.maketrans(",.", ".,"))


def describe_costs(costs: Decimal | None, *, by_lead: bool) -> str:
    """Return in German what sending again costs, and whether a lead has to do it."""
    price = f"Das kostet etwa {_format_euros(costs)}." if costs is not None else "Was das kostet, ist nicht bekannt."
    return f"{price} {_LEAD_DECIDES}" if by_lead else price


def is_approved(draft: NoticeDraft, *, by_lead: bool = False) -> bool:
    """Return whether a second person has approved this very version and nobody returned it, whatever its state says.

    An approval counts only while its giver may give it. With `by_lead` one of them is a lead's.
    """
    own = list_owners(draft)
    given = [each for each in _list_approvals(draft) if not each.is_void and each.by.person not in own]
    is_enough = any(each.verdict is Verdict.APPROVE_AMOUNT for each in given) if by_lead else bool(given)
    return draft.find_return() is None and is_enough


def find_emergency_obstacle(content: DraftContent, rules: ApprovalRules) -> str | None:
    """Return why this may not be sent before anybody has approved it, in German; None if it may."""
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
    """Return how this account approves; `by_lead` is whether a lead has to. Raises NotPermitted."""
    if by_lead and account.may(Right.APPROVE_AMOUNTS):
        return Verdict.APPROVE_AMOUNT
    account.require(Right.APPROVE)
    return Verdict.APPROVE


def require_amount_right(account: Account, *, by_lead: bool) -> None:
    """Return if the account may decide alone about such an amount. Raises NotPermitted."""
    if not by_lead:
        account.require(Right.APPROVE)
    elif not account.may(Right.APPROVE_AMOUNTS):
        raise NotPermitted(_LEAD_DECIDES)


def find_obstacle(
    draft: NoticeDraft, actor: Account, verdict: Verdict | None = None, *, by_lead: bool = False
) -> str | None:
    """Return why this person may not approve the draft, in German; None if they may.

    It needs a second human: neither the author of this version, nor whoever submitted it, by any account of theirs.
    """
    is_waiting = draft.state in (DraftState.PENDING, DraftState.ESCALATED)
    if not is_waiting and (draft.state is not DraftState.APPROVED or is_approved(draft, by_lead=by_lead)):
        return NOT_WAITING
    if actor.person in list_owners(draft):
        return "Eigene Meldungen gibt eine andere Person frei."
    if any(each.by.account == actor.id and each.verdict is verdict for each in _list_approvals(draft)):
        return "Sie haben diesen Stand schon freigegeben."
    return None


def require_approver(draft: NoticeDraft, actor: Account, verdict: Verdict, *, by_lead: bool) -> DraftState:
    """Return the state after the actor's approval. Raises DraftRefused."""
    after = advance_state(draft.state, DraftAct.APPROVE)
    refuse_if(find_obstacle(draft, actor, verdict, by_lead=by_lead))
    return DraftState.ESCALATED if by_lead and verdict is not Verdict.APPROVE_AMOUNT else after


def find_review(draft: NoticeDraft) -> DraftDecision | None:
    """Return who has reviewed what was published in an emergency; None if nobody has yet."""
    said = (each for each in draft.decisions if each.verdict is Verdict.REVIEW and each.version == draft.version)
    return next(said, None)


def find_review_obstacle(draft: NoticeDraft, actor: Account) -> str | None:
    """Return why the actor may not review what was published in an emergency, in German; None if they may."""
    if not draft.is_emergency or find_review(draft):
        return "Hier ist nichts nachträglich zu prüfen."
    return "Eigene Meldungen prüft eine andere Person." if actor.person in list_owners(draft) else None


def _list_approvals(draft: NoticeDraft) -> list[DraftDecision]:
    return [each for each in draft.decisions if each.is_approval and each.version == draft.version]


def list_owners(draft: NoticeDraft) -> frozenset[UUID]:
    """Return the humans for whom this version is their own."""
    said = (each for each in draft.decisions if each.version == draft.version)
    handed_on = (each.by.person for each in said if each.verdict in (Verdict.SUBMIT, Verdict.EMERGENCY))
    return frozenset((draft.newest.author.person, *handed_on))


def list_responsible(draft: NoticeDraft, version: DraftVersion) -> Iterator[tuple[str, str, datetime | None]]:
    """Yield who wrote, approved and reviewed what was sent, and why nobody was asked, in German; some at a time."""
    said = [each for each in draft.decisions if each.version == version.version]
    yield "Verfasst", version.author.name, version.saved_at
    for each in said:
        if each.is_void:
            yield "Freigabe, die nicht galt", each.by.name, each.at
        elif each.verdict in _RESPONSIBLE and (draft.is_emergency or each.is_approval):
            yield _RESPONSIBLE[each.verdict], each.by.name, each.at
    if draft.is_emergency:
        if not any(each.is_approval and not each.is_void for each in said):
            yield "Freigabe", "keine: im Notfall gesendet", None
        yield "Grund des Notfalls", draft.emergency or "", None
        if not any(each.verdict is Verdict.REVIEW for each in said):
            yield _RESPONSIBLE[Verdict.REVIEW], "noch nicht", None

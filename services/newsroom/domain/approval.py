"""Four eyes by risk: when a second person has to approve, and who may be that person."""

from collections.abc import Iterator
from datetime import datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from services.newsroom.domain.drafts import (
    Author,
    DraftAct,
    DraftKind,
    DraftRefused,
    DraftState,
    NoticeDraft,
    Verdict,
    advance_state,
)
from shared.notices.configuration import TopicId


class ApprovalRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules about the notices that one person may send alone; without any setting, none.

    They are about `routine_topics`, cost at most `max_euros`, and are not sent between `night_begins` and `night_ends`
    in `zone`. With `urgent_alone` one person may also send what is urgent, with `whole_county_alone` what is about a
    local topic and not limited to municipalities. With `emergency` an editor may send before anybody has approved, with
    a reason; somebody else reviews it afterwards. Raises ValueError for an unknown zone.
    """

    routine_topics: tuple[TopicId, ...] = ()
    max_euros: Decimal = Decimal(0)
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


def list_approval_reasons(
    draft: NoticeDraft, rules: ApprovalRules, *, local_topics: frozenset[str], costs: Decimal | None, now: datetime
) -> tuple[str, ...]:
    """Return why a second person has to approve, in German; empty if nobody has to.

    Costs that are not known count as too high. A withdrawal needs nobody: it stops what should not go on.
    """
    if draft.kind is DraftKind.WITHDRAWAL:
        return ()
    return tuple(_find_reasons(draft, rules, local_topics, costs, now))


def _find_reasons(
    draft: NoticeDraft, rules: ApprovalRules, local_topics: frozenset[str], costs: Decimal | None, now: datetime
) -> Iterator[str]:
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


def _is_night(moment: datetime, rules: ApprovalRules) -> bool:
    local = moment.astimezone(ZoneInfo(rules.zone)).time()
    begins, ends = rules.night_begins, rules.night_ends
    return begins <= local < ends if begins <= ends else local >= begins or local < ends


def _format_euros(amount: Decimal) -> str:
    return f"{amount:.2f} Euro".replace(".", ",")


def is_approved(draft: NoticeDraft) -> bool:
    """Return whether a second person has approved this very version and nobody returned it, whatever its state says.

    An approval counts only while its giver may approve.
    """
    own = _list_own(draft)
    said = (each for each in draft.decisions if each.verdict is Verdict.APPROVE and each.version == draft.version)
    return draft.find_return() is None and any(not each.is_void and each.by.person not in own for each in said)


def find_obstacle(draft: NoticeDraft, actor: Author) -> str | None:
    """Return why this person may not approve the draft, in German; None if they may.

    It needs a second human: neither the author of this version, nor whoever submitted it, by any account of theirs.
    """
    is_waiting = draft.state is DraftState.PENDING or (draft.state is DraftState.APPROVED and not is_approved(draft))
    if not is_waiting:
        return "Der Entwurf wartet nicht auf eine Freigabe."
    if actor.person in _list_own(draft):
        return "Eigene Meldungen gibt eine andere Person frei."
    return None


def require_approver(draft: NoticeDraft, actor: Author) -> None:
    """Return if the actor may approve the draft. Raises DraftRefused."""
    advance_state(draft.state, DraftAct.APPROVE)
    if obstacle := find_obstacle(draft, actor):
        raise DraftRefused(obstacle)


def require_reviewer(draft: NoticeDraft, actor: Author) -> None:
    """Return if the actor may review what was published in an emergency. Raises DraftRefused."""
    reviewed = (each.version for each in draft.decisions if each.verdict is Verdict.REVIEW)
    if not draft.is_emergency or draft.version in reviewed:
        raise DraftRefused("Hier ist nichts nachträglich zu prüfen.")
    if actor.person in _list_own(draft):
        raise DraftRefused("Eigene Meldungen prüft eine andere Person.")


def require_approval(draft: NoticeDraft, reasons: tuple[str, ...]) -> None:
    """Return if the draft may be published: nobody has to approve, or somebody has. Raises DraftRefused."""
    if reasons and not is_approved(draft):
        raise DraftRefused("Eine zweite Person muss die Meldung freigeben. " + " ".join(reasons))


def _list_own(draft: NoticeDraft) -> frozenset[object]:
    """Return the humans for whom this version is their own."""
    submitted = (e.by.person for e in draft.decisions if e.verdict is Verdict.SUBMIT and e.version == draft.version)
    return frozenset((draft.newest.author.person, *submitted))

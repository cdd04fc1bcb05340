"""Drafts: their content, their states, and what each act makes of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct
from msgspec.structs import replace

from services.newsroom.domain.accounts import Account
from shared.contracts.message import Moment

OVERTAKEN = "Inzwischen wurde eine andere Korrektur veröffentlicht. Prüfen Sie diese zuerst."
UNCHANGED = (
    "Sie haben nichts geändert: Alle bekämen dieselbe Meldung noch einmal. Soll sie noch einmal hinaus, kopieren Sie"
    " sie als neue Meldung."
)
SUBMITTED = (
    "Der Entwurf ist inzwischen zur Freigabe gegeben oder freigegeben. Wenn Sie speichern, muss er erneut freigegeben"
    " werden."
)
# Bounds of what is stored while it is written; the rules of notices are stricter.
Line = Annotated[str, Meta(max_length=300)]
MAX_TEXT_LENGTH = 2_000


class DraftRefused(Exception):
    """The act is not permitted; the text tells the editor why, in German."""


class DraftSubmitted(DraftRefused):
    """Somebody has submitted or approved the draft; whoever saves it all the same takes that back."""


class DraftConflict(Exception):
    """The draft has a newer version than the one that the editor saw."""


class DraftNotFound(Exception):
    """There is no such draft."""


class DraftKind(StrEnum):
    """Kind of a draft: a notice, its next revision, a notice to the same recipients, or its withdrawal."""

    NOTICE = "notice"
    UPDATE = "update"
    FOLLOW_UP = "follow_up"
    WITHDRAWAL = "withdrawal"


class DraftState(StrEnum):
    """State of a draft; `published` means handed to the outbox, `escalated` approved but for the leads."""

    DRAFT = "draft"
    PENDING = "pending"
    ESCALATED = "escalated"
    RETURNED = "returned"
    APPROVED = "approved"
    PUBLISHED = "published"
    DISCARDED = "discarded"


class DraftAct(StrEnum):
    """Act of an editor on a draft."""

    SAVE = "save"
    SUBMIT = "submit"
    APPROVE = "approve"
    RETURN = "return"
    PUBLISH = "publish"
    DISCARD = "discard"


class Verdict(StrEnum):
    """Verdict of a person on a version; an emergency is its publication without approval, a review comes after that.

    With `approve_amount` a lead approves a version and what it costs.
    """

    SUBMIT = "submit"
    APPROVE = "approve"
    APPROVE_AMOUNT = "approve_amount"
    RETURN = "return"
    EMERGENCY = "emergency"
    REVIEW = "review"


class DraftContent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Content of a version; anything may be missing while it is written. `reason` is that of a withdrawal."""

    topic: Line = ""
    municipalities: tuple[Line, ...] = ()
    headline: Line = ""
    text: Annotated[str, Meta(max_length=MAX_TEXT_LENGTH)] = ""
    link: Line = ""
    picture: Line = ""
    urgent: bool = False
    scheduled_at: Moment | None = None
    expires_at: Moment | None = None
    reason: Line = ""


def list_differences(one: DraftContent, other: DraftContent) -> Sequence[str]:
    """Return the names of the fields that differ."""
    return [name for name in DraftContent.__struct_fields__ if getattr(one, name) != getattr(other, name)]


def merge_contents(begun: DraftContent, mine: DraftContent, theirs: DraftContent) -> DraftContent:
    """Return theirs with whatever was changed to mine, which was begun from the same; of what both changed, mine."""
    return replace(theirs, **{name: getattr(mine, name) for name in list_differences(begun, mine)})


def drop_past_time(content: DraftContent, now: datetime) -> DraftContent:
    """Return the content without a time at which it can be sent no more."""
    planned = content.scheduled_at
    return replace(content, scheduled_at=planned if planned and planned > now else None)


@dataclass(frozen=True, kw_only=True)
class Author:
    """Account that acts; two accounts of one human share `person`."""

    account: UUID
    person: UUID
    name: str


def build_author(account: Account) -> Author:
    return Author(account=account.id, person=account.person, name=account.name)


@dataclass(frozen=True, kw_only=True)
class DraftDecision:
    """Decision of somebody on a version; `is_void` is an approval whose giver may approve no more.

    Of what was published it is one that did not count then, whatever its giver may do today.
    """

    id: UUID
    verdict: Verdict
    version: int
    by: Author
    at: datetime
    reason: str = ""
    is_void: bool = False

    @property
    def is_approval(self) -> bool:
        return self.verdict in (Verdict.APPROVE, Verdict.APPROVE_AMOUNT)


@dataclass(frozen=True, kw_only=True)
class DraftVersion:
    """A version, which never changes; `seen_revision` is the newest one of its notice that its editor knew."""

    version: int
    content: DraftContent
    author: Author
    saved_at: datetime
    seen_revision: int = 0


@dataclass(frozen=True)
class PublishedRevision:
    """Newest revision of a notice that was published here, by which draft."""

    draft: UUID
    revision: int
    content: DraftContent


@dataclass(frozen=True, kw_only=True)
class NoticeDraft:
    """Draft in its newest version, with all that was decided about it, oldest first.

    `corrects` is the notice that it updates, follows or withdraws, and `earlier` what was published last of that;
    `revision` the newest revision of its notice that was handed over, here or by another system, 0 if none was, and
    `own_revision` the one that this draft became. `is_replaced` is whether a newer one is sent instead of that,
    `withdrawn_at` when its notice was withdrawn.
    `emergency` is why it was last published before a second person had approved it. `is_resumed` is whether somebody
    who wanted to begin it had begun it before.
    """

    id: UUID
    notice: str
    kind: DraftKind
    state: DraftState
    newest: DraftVersion
    created_by: Author
    changed_at: datetime
    corrects: str | None = None
    earlier: PublishedRevision | None = None
    revision: int = 0
    own_revision: int = 0
    is_replaced: bool = False
    withdrawn_at: datetime | None = None
    emergency: str | None = None
    is_resumed: bool = False
    decisions: tuple[DraftDecision, ...] = field(default=())

    @property
    def version(self) -> int:
        return self.newest.version

    @property
    def content(self) -> DraftContent:
        return self.newest.content

    @property
    def subject(self) -> str:
        """Return the id of the notice that is sent: an update and a withdrawal have that of the earlier one."""
        same = self.kind in (DraftKind.UPDATE, DraftKind.WITHDRAWAL)
        return self.corrects if same and self.corrects else self.notice

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def is_overtaken(self) -> bool:
        """Return whether it would take back a newer revision that its editor does not know."""
        return self.kind is DraftKind.UPDATE and self.is_open and self.newest.seen_revision < self.revision

    @property
    def is_emergency(self) -> bool:
        """Return whether it was sent in an emergency: what the notices API rejected was not."""
        return self.emergency is not None and self.state is DraftState.PUBLISHED

    def find_return(self) -> DraftDecision | None:
        """Return the decision that returned this very version, if there is one."""
        returns = (e for e in self.decisions if e.verdict is Verdict.RETURN and e.version == self.version)
        return next(returns, None)


@dataclass(frozen=True, kw_only=True)
class DraftFilter:
    """Choice of drafts in some states: those that `writer` wrote, or anybody but `besides`, or changed `before` then.

    Who wrote a draft is the person of its newest version.
    """

    states: Collection[DraftState]
    writer: UUID | None = None
    besides: UUID | None = None
    before: datetime | None = None


def list_changes(draft: NoticeDraft, now: datetime) -> Sequence[str] | None:
    """Return the names of the fields that a correction changes; None if nobody knows, or it is no correction."""
    last = draft.earlier
    if draft.kind is not DraftKind.UPDATE or last is None or last.revision != draft.revision:
        return None  # another system has published since
    return list_differences(*(_normalize(content, now) for content in (last.content, draft.content)))


def _normalize(content: DraftContent, now: datetime) -> DraftContent:
    """Return what citizens would see and get, however it was said."""
    return replace(drop_past_time(content, now), municipalities=tuple(sorted(set(content.municipalities))))


def is_unchanged(draft: NoticeDraft, now: datetime) -> bool:
    """Return whether it would send everybody once more what they have."""
    return draft.is_open and list_changes(draft, now) == []


SUBMITTED_STATES = (DraftState.PENDING, DraftState.ESCALATED, DraftState.APPROVED)
WRITING_STATES = (DraftState.DRAFT, DraftState.RETURNED)
OPEN_STATES = (*WRITING_STATES, *SUBMITTED_STATES)
NOT_WAITING = "Der Entwurf wartet nicht auf eine Freigabe."
ENDED = "Der Entwurf wurde schon veröffentlicht oder verworfen."
# For each act: the states in which it is possible, the state after it, and what is said in any other state.
_STEPS: Mapping[DraftAct, tuple[Collection[DraftState], DraftState, str]] = {
    # Whoever edits takes back what was said of the earlier version.
    DraftAct.SAVE: (
        OPEN_STATES,
        DraftState.DRAFT,
        "Der Entwurf ist inzwischen veröffentlicht oder verworfen und lässt sich nicht mehr ändern.",
    ),
    DraftAct.SUBMIT: (
        WRITING_STATES,
        DraftState.PENDING,
        "Der Entwurf wurde schon zur Freigabe gegeben oder ist abgeschlossen.",
    ),
    # An approval that has become void needs another one.
    DraftAct.APPROVE: (SUBMITTED_STATES, DraftState.APPROVED, NOT_WAITING),
    DraftAct.RETURN: (SUBMITTED_STATES, DraftState.RETURNED, NOT_WAITING),
    DraftAct.PUBLISH: (OPEN_STATES, DraftState.PUBLISHED, ENDED),
    DraftAct.DISCARD: (OPEN_STATES, DraftState.DISCARDED, ENDED),
}


def advance_state(state: DraftState, act: DraftAct) -> DraftState:
    """Return the state after the act. Raises DraftRefused."""
    before, after, refusal = _STEPS[act]
    refuse_if(refusal if state not in before else None)
    return after


def refuse_if(obstacle: str | None) -> None:
    """Raise DraftRefused if there is an obstacle, which is said in German."""
    if obstacle:
        raise DraftRefused(obstacle)


def require_version(draft: NoticeDraft, seen: int) -> None:
    """Return if the editor saw the newest version. Raises DraftConflict."""
    if draft.version != seen:
        raise DraftConflict


def explain_return(draft: NoticeDraft) -> str | None:
    """Return that this very version was returned, in German; None if it was not."""
    returned = draft.find_return()
    if returned is None:
        return None
    return f"{returned.by.name} hat diesen Stand zurückgegeben. Bitte überarbeiten Sie ihn zuerst."


def find_version_obstacle(draft: NoticeDraft, now: datetime) -> str | None:
    """Return why this very version cannot go on, in German: it was returned or overtaken, or it changes nothing."""
    if returned := explain_return(draft):
        return returned
    if draft.is_overtaken:
        return OVERTAKEN
    return UNCHANGED if is_unchanged(draft, now) else None

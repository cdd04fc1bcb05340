"""Drafts: content, states, and the transition that each act makes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct
from msgspec.structs import replace

from services.newsroom.domain.accounts import Account
from shared.contracts.message import Moment

OVERTAKEN = "Inzwischen wurde eine andere Korrektur veröffentlicht. Prüfen Sie diese zuerst."
NOT_PUBLISHED = "Die Meldung ist nicht veröffentlicht."
UNCHANGED = (
    "Sie haben nichts geändert: Alle bekämen dieselbe Meldung noch einmal. Soll sie noch einmal hinaus, kopieren Sie"
    " sie als neue Meldung."
)
SUBMITTED = (
    "Der Entwurf ist inzwischen zur Freigabe gegeben oder freigegeben. Wenn Sie speichern, muss er erneut freigegeben"
    " werden."
)
# Limits for storing unfinished drafts; the rules of notices are stricter.
Line = Annotated[str, Meta(max_length=300)]
MAX_TEXT_LENGTH = 2_000


class DraftRefused(Exception):
    """The act is not permitted; the text says why, in German."""


class DraftSubmitted(DraftRefused):
    """Somebody has submitted or approved the draft; saving it would take that back."""


class DraftConflict(Exception):
    """The draft has a newer version than the editor saw."""


class DraftNotFound(Exception):
    """There is no such draft."""


class DraftKind(StrEnum):
    """Kind of a draft: a notice, its next revision, a notice to the same recipients, or its withdrawal."""

    NOTICE = "notice"
    UPDATE = "update"
    FOLLOW_UP = "follow_up"
    WITHDRAWAL = "withdrawal"


class DraftState(StrEnum):
    """State of a draft; `published` means handed to the outbox, `escalated` approved by all but a lead."""

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
    """Verdict of a person on a version; an emergency is its publication without approval, reviewed afterwards.

    With `approve_amount` a lead approves a version and its costs.
    """

    SUBMIT = "submit"
    APPROVE = "approve"
    APPROVE_AMOUNT = "approve_amount"
    RETURN = "return"
    EMERGENCY = "emergency"
    REVIEW = "review"


class DraftContent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Content of a version; any field may be empty in an unfinished draft. Only a withdrawal has a `reason`."""

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


def list_differences(left: DraftContent, right: DraftContent) -> Sequence[str]:
    return [name for name in DraftContent.__struct_fields__ if getattr(left, name) != getattr(right, name)]


def merge_contents(base: DraftContent, mine: DraftContent, theirs: DraftContent) -> DraftContent:
    """Return the three-way merge of two contents edited from `base`; where both changed a field, `mine` wins."""
    return replace(theirs, **{name: getattr(mine, name) for name in list_differences(base, mine)})


def drop_past_time(content: DraftContent, now: datetime) -> DraftContent:
    """Return the content without a scheduled time that has passed."""
    scheduled_at = content.scheduled_at
    return replace(content, scheduled_at=scheduled_at if scheduled_at and scheduled_at > now else None)


@dataclass(frozen=True, kw_only=True)
class Author:
    """Account that acts; two accounts of the same human share `person`."""

    account: UUID
    person: UUID
    name: str


def build_author(account: Account) -> Author:
    return Author(account=account.id, person=account.person, name=account.name)


@dataclass(frozen=True, kw_only=True)
class DraftDecision:
    """Decision on a version; `is_void` marks an approval by somebody who has lost the right to approve.

    Once the version is published, it marks an approval that did not count at that time.
    """

    id: UUID
    verdict: Verdict
    version: int
    author: Author
    decided_at: datetime
    reason: str = ""
    is_void: bool = False

    @property
    def is_approval(self) -> bool:
        return self.verdict in (Verdict.APPROVE, Verdict.APPROVE_AMOUNT)


@dataclass(frozen=True, kw_only=True)
class DraftVersion:
    """An immutable version; `seen_revision` is the newest revision of the notice that its editor knew."""

    version: int
    content: DraftContent
    author: Author
    saved_at: datetime
    seen_revision: int = 0


@dataclass(frozen=True)
class PublishedRevision:
    """Newest revision of a notice published here, and the draft that it came from."""

    draft: UUID
    revision: int
    content: DraftContent


@dataclass(frozen=True, kw_only=True)
class NoticeDraft:
    """Draft in its newest version, with all decisions on it, oldest first.

    `corrects` is the notice that it updates, follows or withdraws, and `earlier` the last published revision of that.
    `revision` is the newest revision of its notice that was handed over, here or by another system, 0 if none was;
    `own_revision` is the one that this draft became. `is_replaced` is whether a newer revision is sent instead,
    `withdrawn_at` when its notice was withdrawn.
    `emergency` is the reason of its last publication without a second person's approval. `is_resumed` is whether
    creating it returned a draft that existed already.
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
    decisions: tuple[DraftDecision, ...] = ()

    @property
    def version(self) -> int:
        return self.newest.version

    @property
    def content(self) -> DraftContent:
        return self.newest.content

    @property
    def subject(self) -> str:
        """Return the id of the notice: updates and withdrawals have that of the earlier one."""
        is_same_notice = self.kind in (DraftKind.UPDATE, DraftKind.WITHDRAWAL)
        return self.corrects if is_same_notice and self.corrects else self.notice

    @property
    def corrected(self) -> str | None:
        """Return the id of the notice whose earlier revisions it stops; None if it is no correction."""
        return self.corrects if self.kind is DraftKind.UPDATE else None

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def is_overtaken(self) -> bool:
        """Return whether it would overwrite a newer revision that its editor does not know."""
        return self.kind is DraftKind.UPDATE and self.is_open and self.newest.seen_revision < self.revision

    @property
    def is_emergency(self) -> bool:
        """Return whether it was sent in an emergency; False if the notices API rejected it."""
        return self.emergency is not None and self.state is DraftState.PUBLISHED

    @property
    def current_decisions(self) -> Sequence[DraftDecision]:
        """Return the decisions on the newest version."""
        return [decision for decision in self.decisions if decision.version == self.version]

    def find_return(self) -> DraftDecision | None:
        """Return the decision that returned this version, None without."""
        return next((decision for decision in self.current_decisions if decision.verdict is Verdict.RETURN), None)


def list_changes(draft: NoticeDraft, now: datetime) -> Sequence[str] | None:
    """Return the names of the fields that a correction changes; None if unknown, or if it is not a correction."""
    earlier = draft.earlier
    if draft.kind is not DraftKind.UPDATE or earlier is None or earlier.revision != draft.revision:
        return None  # another system has published since
    return list_differences(*(_normalize(content, now) for content in (earlier.content, draft.content)))


def _normalize(content: DraftContent, now: datetime) -> DraftContent:
    """Return the content in a canonical form: two that look the same to citizens are equal."""
    return replace(drop_past_time(content, now), municipalities=tuple(sorted(set(content.municipalities))))


def is_unchanged(draft: NoticeDraft, now: datetime) -> bool:
    """Return whether it would only repeat to everybody what they already have."""
    return draft.is_open and list_changes(draft, now) == []


SUBMITTED_STATES = (DraftState.PENDING, DraftState.ESCALATED, DraftState.APPROVED)
WRITING_STATES = (DraftState.DRAFT, DraftState.RETURNED)
OPEN_STATES = (*WRITING_STATES, *SUBMITTED_STATES)
NOT_WAITING = "Der Entwurf wartet nicht auf eine Freigabe."
ENDED = "Der Entwurf wurde schon veröffentlicht oder verworfen."
# For each act: the states in which it is possible, the state after it, and the message in any other state.
_TRANSITIONS: Mapping[DraftAct, tuple[Collection[DraftState], DraftState, str]] = {
    # Editing voids the decisions on the earlier version.
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
    # An approved draft needs another approval if the first has become void.
    DraftAct.APPROVE: (SUBMITTED_STATES, DraftState.APPROVED, NOT_WAITING),
    DraftAct.RETURN: (SUBMITTED_STATES, DraftState.RETURNED, NOT_WAITING),
    DraftAct.PUBLISH: (OPEN_STATES, DraftState.PUBLISHED, ENDED),
    DraftAct.DISCARD: (OPEN_STATES, DraftState.DISCARDED, ENDED),
}


def advance_state(state: DraftState, act: DraftAct) -> DraftState:
    """Return the state after the act. Raises DraftRefused."""
    before, after, refusal = _TRANSITIONS[act]
    refuse_if(refusal if state not in before else None)
    return after


def refuse_if(obstacle: str | None) -> None:
    """Raise DraftRefused with the obstacle, a text in German, if there is one."""
    if obstacle:
        raise DraftRefused(obstacle)


def require_version(draft: NoticeDraft, seen_version: int) -> None:
    """Raise DraftConflict unless the editor saw the newest version."""
    if draft.version != seen_version:
        raise DraftConflict


def explain_return(draft: NoticeDraft) -> str | None:
    """Return by whom this version was returned, as a sentence in German; None if it was not."""
    returned = draft.find_return()
    if returned is None:
        return None
    return f"{returned.author.name} hat diesen Stand zurückgegeben. Bitte überarbeiten Sie ihn zuerst."


def find_version_obstacle(draft: NoticeDraft, now: datetime) -> str | None:
    """Return why this version cannot proceed, in German: it was returned or overtaken, or changes nothing."""
    if returned := explain_return(draft):
        return returned
    if draft.kind is DraftKind.WITHDRAWAL and draft.revision == 0:  # refused since its page was opened
        return NOT_PUBLISHED
    if draft.is_overtaken:
        return OVERTAKEN
    return UNCHANGED if is_unchanged(draft, now) else None

"""Outbox of notices for the notices API: states, events, meaning of answers, and retry delays."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from services.newsroom.domain.accounts import Account
from services.newsroom.domain.archive import derive_code, format_code
from services.newsroom.domain.audit import MAX_REASON_LENGTH, Act
from services.newsroom.domain.drafts import (
    DraftDecision,
    DraftKind,
    DraftState,
    DraftVersion,
    NoticeDraft,
)
from services.newsroom.domain.sending import MonthBudget
from shared.contracts.envelope import encode
from shared.contracts.events import Problem
from shared.contracts.notices import NoticePublished, NoticeUpdated, NoticeWithdrawn

RETRY_DELAYS_SECONDS = (1, 2, 5, 15, 30)
MAX_RETRY_DELAY_SECONDS = 60
CODE_LENGTH_IN_TEXT = len(" Prüfcode: ABCD-EFGH")


class PublicationState(StrEnum):
    """State of a publication, `waiting` until the notices API accepts or rejects it."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True, kw_only=True)
class NoticePublication:
    """Revision of a notice to publish; every attempt sends the same `event`, whose id is this `id`.

    Once accepted it will not be lost; it takes effect when it is confirmed. `people` is the expected audience,
    `approvals` are the decisions that counted when it was handed over. `is_withdrawn`: a withdrawal is on its way.
    """

    id: UUID
    draft: UUID
    version: int
    revision: int
    event: Mapping[str, Any]
    created_at: datetime
    people: int | None = None
    approvals: tuple[UUID, ...] = ()
    state: PublicationState = PublicationState.WAITING
    tries: int = 0
    problems: tuple[Problem, ...] = ()
    broadcast: UUID | None = None
    confirmed_at: datetime | None = None
    is_withdrawn: bool = False

    @property
    def is_settled(self) -> bool:
        """Return whether it has taken effect or was rejected."""
        return self.confirmed_at is not None or self.state is PublicationState.REJECTED

    @property
    def code(self) -> str:
        """Return the code at the end of its text, with which citizens verify that the message is ours."""
        return format_code(derive_code(self.id))


@dataclass(frozen=True, kw_only=True)
class DraftChange:
    """Change that an act makes to a draft, stored atomically; a field that is None changes nothing."""

    actor: Account
    act: Act
    state: DraftState
    changed_at: datetime
    version: DraftVersion | None = None
    decision: DraftDecision | None = None
    publication: NoticePublication | None = None
    emergency: str | None = None


DecideDraft = Callable[[NoticeDraft], DraftChange | None]
DecidePublication = Callable[[NoticeDraft, MonthBudget | None], DraftChange]


@dataclass(frozen=True, kw_only=True)
class PendingNotice:
    """Notice handed over but not yet a broadcast, or its withdrawal; `tries` counts attempts without an answer."""

    draft: UUID
    revision: int
    headline: str
    topic: str
    created_at: datetime
    tries: int
    is_withdrawal: bool


def compute_next_try(now: datetime, tries: int, retry_after: float) -> datetime:
    """Return when to send again after `tries` attempts without a conclusive answer."""
    delay = RETRY_DELAYS_SECONDS[min(tries, len(RETRY_DELAYS_SECONDS) - 1)]
    return now + timedelta(seconds=min(max(delay, retry_after), MAX_RETRY_DELAY_SECONDS))


def build_event(draft: NoticeDraft, *, source: str, publication: UUID, now: datetime) -> bytes:
    """Build the event of the draft's next revision, without validating it.

    The text ends with the code of the publication, with which citizens verify that the message is ours.
    """
    return encode(
        _build_message(draft, format_code(derive_code(publication))),
        event_id=publication.hex,
        source=source,
        time=now,
        subject=draft.subject,
        expirytime=None if draft.kind is DraftKind.WITHDRAWAL else draft.content.expires_at,
    )


def choose_revision(draft: NoticeDraft) -> int:
    """Return the revision that publishing the draft creates; a withdrawal has that of the newest one."""
    if draft.kind is DraftKind.UPDATE:
        return max(draft.revision, 1) + 1
    return draft.revision if draft.kind is DraftKind.WITHDRAWAL else 1


def _build_message(draft: NoticeDraft, code: str) -> NoticePublished | NoticeUpdated | NoticeWithdrawn:
    if draft.kind is DraftKind.WITHDRAWAL:
        return NoticeWithdrawn(reason=draft.content.reason[:MAX_REASON_LENGTH])
    content = draft.content
    fields: dict[str, Any] = {
        "topic": content.topic,
        "headline": content.headline,
        "text": f"{content.text} Prüfcode: {code}" if content.text.strip() else "",
        "link": content.link or None,
        "picture": content.picture or None,
        "municipalities": content.municipalities,
        "urgent": content.urgent,
        "scheduled_at": content.scheduled_at,
    }
    if draft.kind is DraftKind.UPDATE:
        return NoticeUpdated(revision=choose_revision(draft), **fields)
    return NoticePublished(**fields, follows=draft.corrects if draft.kind is DraftKind.FOLLOW_UP else None)

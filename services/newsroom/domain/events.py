"""The event that a draft becomes: a CloudEvent, as for every other municipal system."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from services.newsroom.domain.archive import derive_code, format_code
from services.newsroom.domain.audit import MAX_REASON_LENGTH
from services.newsroom.domain.drafts import DraftContent, DraftKind, NoticeDraft
from shared.contracts.envelope import encode
from shared.contracts.notices import NoticePublished, NoticeUpdated, NoticeWithdrawn

CODE_LENGTH_IN_TEXT = len(" Prüfcode: ABCD-EFGH")


def build_event(draft: NoticeDraft, *, event_id: str, source: str, publication: UUID, now: datetime) -> dict[str, Any]:
    """Return the event of the draft's next revision, as JSON; it may still break rules, which the validation names.

    The text ends with the code of the publication, by which a citizen finds out whether the message was ours.
    """
    event: dict[str, Any] = msgspec.json.decode(
        encode(
            _build_message(draft, format_code(derive_code(publication))),
            event_id=event_id,
            source=source,
            time=now,
            subject=draft.subject,
            expirytime=None if draft.kind is DraftKind.WITHDRAWAL else draft.content.expires_at,
        )
    )
    return event


def choose_revision(draft: NoticeDraft) -> int:
    """Return the revision that the draft becomes when it is published next; a withdrawal is about the newest one."""
    if draft.kind is DraftKind.UPDATE:
        return max(draft.revision, 1) + 1
    return draft.revision if draft.kind is DraftKind.WITHDRAWAL else 1


def _build_message(draft: NoticeDraft, code: str) -> NoticePublished | NoticeUpdated | NoticeWithdrawn:
    if draft.kind is DraftKind.WITHDRAWAL:
        return NoticeWithdrawn(reason=draft.content.reason[:MAX_REASON_LENGTH])
    fields = _build_fields(draft.content, code)
    if draft.kind is DraftKind.UPDATE:
        return NoticeUpdated(revision=choose_revision(draft), **fields)
    return NoticePublished(**fields, follows=draft.corrects if draft.kind is DraftKind.FOLLOW_UP else None)


def _build_fields(content: DraftContent, code: str) -> dict[str, Any]:
    return {
        "topic": content.topic,
        "headline": content.headline,
        "text": f"{content.text} Prüfcode: {code}" if content.text.strip() else "",
        "link": content.link or None,
        "picture": content.picture or None,
        "municipalities": content.municipalities,
        "urgent": content.urgent,
        "scheduled_at": content.scheduled_at,
    }

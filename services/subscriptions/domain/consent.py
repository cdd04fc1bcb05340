"""Append-only record of consents and withdrawals."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.subscriptions.domain.subscriber import MessageTime, Subscriber
from services.subscriptions.domain.wording import Wording


class ConsentEvent(StrEnum):
    """Type of an entry in the consent record.

    `CHANGED` is a choice of topics, places or a pause; `MOVED` a new address. `MERGED` ends a row that was merged into
    another one, `ERASED` a row that was deleted on request.
    """

    GIVEN = "given"
    CHANGED = "changed"
    WITHDRAWN = "withdrawn"
    MOVED = "moved"
    MERGED = "merged"
    ERASED = "erased"


@dataclass(frozen=True, kw_only=True)
class Consent:
    """Entry of the consent record: the message, the topics, and the wording of the reply."""

    subscriber: UUID
    sequence: int
    event: ConsentEvent
    topics: frozenset[str]
    wording: Wording | None
    said_at: datetime
    received_at: datetime
    message_key: bytes


def build_consent(
    subscriber: Subscriber,
    event: ConsentEvent,
    moment: MessageTime,
    message_key: bytes,
    topics: frozenset[str] = frozenset(),
    wording: Wording | None = None,
) -> Consent:
    """Return the entry for the change that a message just made to a subscriber."""
    return Consent(
        subscriber=subscriber.id,
        sequence=subscriber.sequence,
        event=event,
        topics=topics,
        wording=wording,
        said_at=moment.at,
        received_at=moment.received_at,
        message_key=message_key,
    )

"""Citizens' feedback, stored without anything that identifies them."""

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.subscriptions.domain.intents.intent import Intent, ParsedIntent
from services.subscriptions.domain.publication import Publication, build_event
from services.subscriptions.domain.subscriber import MessageTime, Subscriber, list_indexes
from shared.contracts.events import FeedbackErased, FeedbackReceived, ReactionLocated, ReactionReceived
from shared.contracts.ids import derive_id, make_timed_id
from shared.contracts.inbound import InboundMessage
from shared.contracts.message import Addresses

MAX_VALUE_LENGTH = 16
# Number of a person's newest feedback entries that they are shown.
MAX_SHOWN_FEEDBACK = 1_000
# Number of entries that one event names.
MAX_ERASED_FEEDBACK = 1_000


@dataclass(frozen=True, repr=False)
class AuthorKey:
    """Key without which no stored data leads from a person to their feedback."""

    key: bytes

    def derive_author(self, person: bytes) -> bytes:
        """Return the pseudonym of a person, or of one of their messages."""
        return hmac.digest(self.key, b"feedback\0" + person, "sha256")[:16]


class FeedbackKind(StrEnum):
    TEXT = "text"
    RATING = "rating"
    REACTION = "reaction"


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """Text, rating or reaction.

    `at` is the full hour. `author` leads to it when the same person has everything deleted.
    """

    id: UUID
    kind: FeedbackKind
    at: datetime
    author: bytes
    value: str = ""
    text: str = ""
    broadcast: UUID | None = None
    topic: str | None = None


def build_feedback(
    parsed: ParsedIntent, message: InboundMessage, person: bytes, topic: str | None, key: AuthorKey
) -> Feedback | None:
    """Return the text of a message, or its rating of a broadcast about `topic`; None if there is no such broadcast."""
    author, at = key.derive_author(person), truncate_to_hour(message.received_at)
    if parsed.intent is Intent.FEEDBACK:
        identifier = make_timed_id(at, b"feedback", key.derive_author(message.message_key))
        return Feedback(id=identifier, kind=FeedbackKind.TEXT, at=at, author=author, text=parsed.text)
    broadcast = find_rated_broadcast(parsed)
    if broadcast is None or topic is None:
        return None
    return Feedback(
        id=derive_id(broadcast, b"rating", author),
        kind=FeedbackKind.RATING,
        at=at,
        author=author,
        value=parsed.value,
        broadcast=broadcast,
        topic=topic,
    )


def build_reaction(located: ReactionLocated, topic: str, key: AuthorKey) -> Feedback:
    """Return a reaction. Each person has one per broadcast: the newest replaces the previous one."""
    author = key.derive_author(located.subscriber.bytes)
    return Feedback(
        id=derive_id(located.broadcast, b"reaction", author),
        kind=FeedbackKind.REACTION,
        at=truncate_to_hour(located.at),
        author=author,
        value=located.value[:MAX_VALUE_LENGTH],
        broadcast=located.broadcast,
        topic=topic,
    )


def build_reaction_query(
    message: InboundMessage, subscriber: Subscriber, broadcasts: tuple[UUID, ...]
) -> Iterator[Publication]:
    """Yield the query that asks the dispatcher which broadcast a reaction was about; nothing without candidates."""
    if message.about_key is None or not broadcasts:
        return
    identifier = make_timed_id(min(message.sent_at, message.received_at), b"reaction", message.message_key)
    query = ReactionReceived(
        reaction=identifier,
        subscriber=subscriber.id,
        about_key=message.about_key,
        broadcasts=broadcasts,
        value=(message.text or "")[:MAX_VALUE_LENGTH],
        at=message.received_at,
    )
    yield build_event(query, identifier=identifier, at=message.received_at, required=True)


def build_feedback_received(feedback: Feedback) -> Publication:
    """Return the public event for a feedback entry."""
    event = FeedbackReceived(
        feedback=feedback.id,
        kind=feedback.kind,
        at=feedback.at,
        value=feedback.value,
        text=feedback.text,
        topic=feedback.topic,
        broadcast=feedback.broadcast,
    )
    return build_event(event, identifier=feedback.id, at=feedback.at)


def build_feedback_erased(entries: Sequence[UUID], moment: MessageTime, message_key: bytes) -> Iterator[Publication]:
    """Return the events that make others delete feedback that they know from `build_feedback_received`."""
    for start in range(0, len(entries), MAX_ERASED_FEEDBACK):
        identifier = make_timed_id(moment.at, b"feedback erased", message_key, str(start).encode())
        event = FeedbackErased(feedback=tuple(entries[start : start + MAX_ERASED_FEEDBACK]), at=moment.at)
        yield build_event(event, identifier=identifier, at=moment.received_at, required=True)


def identify_person(subscriber: Subscriber | None, sender: Addresses) -> bytes:
    """Return the subscriber's id, else the blind index of the user id, if any: Meta may leave the phone number out."""
    if subscriber:
        return subscriber.id.bytes
    return sender.user.index if sender.user else list_indexes(sender)[0]


def truncate_to_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def find_rated_broadcast(parsed: ParsedIntent) -> UUID | None:
    """Return the broadcast that a rating is about; None for any other intent or an invalid id."""
    try:
        return UUID(parsed.text) if parsed.intent is Intent.RATING else None
    except ValueError:
        return None

"""What citizens think of us, kept without anything that says who they are."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.subscriptions.domain.language.intents import Intent, Wish
from services.subscriptions.domain.publication import Publication, event
from services.subscriptions.domain.subscriber import Subscriber, indexes
from shared.contracts.events import FeedbackReceived, ReactionLocated, ReactionReceived
from shared.contracts.ids import derived_id, timed_id
from shared.contracts.inbound import InboundMessage
from shared.contracts.message import Addresses

LONGEST_VALUE = 16
# The newest of one person that they are shown.
MOST_SHOWN = 1_000


@dataclass(frozen=True, repr=False)
class AuthorKey:
    """The key without which nothing that is stored leads from a person to their feedback."""

    key: bytes

    def author(self, person: bytes) -> bytes:
        """What stands for a person, or for one of their messages."""
        return hmac.digest(self.key, b"feedback\0" + person, "sha256")[:16]


class FeedbackKind(StrEnum):
    TEXT = "text"
    RATING = "rating"
    REACTION = "reaction"


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """`at` is the full hour. `author` finds it again when the same person has everything deleted."""

    id: UUID
    kind: FeedbackKind
    at: datetime
    author: bytes
    value: str = ""
    said: str = ""
    broadcast: UUID | None = None
    topic: str | None = None


def feedback_of(
    wish: Wish, message: InboundMessage, person: bytes, topics: Mapping[UUID, str], key: AuthorKey
) -> Feedback | None:
    """A text, or a rating of one of these broadcasts; None if there is none in the message."""
    author = key.author(person)
    if wish.intent is Intent.FEEDBACK and wish.text:
        identifier = timed_id(hour(message.received_at), b"feedback", key.author(message.message_key))
        return Feedback(
            id=identifier, kind=FeedbackKind.TEXT, at=hour(message.received_at), author=author, said=wish.text
        )
    broadcast = rated(wish)
    if broadcast is None or broadcast not in topics:
        return None
    return Feedback(
        id=derived_id(broadcast, b"rating", author),
        kind=FeedbackKind.RATING,
        at=hour(message.received_at),
        author=author,
        value=wish.value,
        broadcast=broadcast,
        topic=topics[broadcast],
    )


def reaction_of(located: ReactionLocated, key: AuthorKey) -> Feedback:
    """A reaction counts once for each person and broadcast; the newest holds."""
    author = key.author(located.subscriber.bytes)
    return Feedback(
        id=derived_id(located.broadcast, b"reaction", author),
        kind=FeedbackKind.REACTION,
        at=hour(located.at),
        author=author,
        value=located.value[:LONGEST_VALUE],
        broadcast=located.broadcast,
    )


def reacted(message: InboundMessage, subscriber: Subscriber, broadcasts: tuple[UUID, ...]) -> Publication | None:
    """Asks the dispatcher which broadcast a reaction was about."""
    if message.about_key is None or not broadcasts:
        return None
    identifier = timed_id(min(message.sent_at, message.received_at), b"reaction", message.message_key)
    question = ReactionReceived(
        reaction=identifier,
        subscriber=subscriber.id,
        about_key=message.about_key,
        broadcasts=broadcasts,
        value=(message.text or "")[:LONGEST_VALUE],
        at=message.received_at,
    )
    return event(question, identifier=identifier, at=message.received_at, required=True)


def received(feedback: Feedback) -> Publication:
    """What the world hears of it."""
    told = FeedbackReceived(
        feedback=feedback.id,
        kind=feedback.kind,
        at=feedback.at,
        value=feedback.value,
        text=feedback.said,
        topic=feedback.topic,
        broadcast=feedback.broadcast,
    )
    return event(told, identifier=feedback.id, at=feedback.at)


def person_of(subscriber: Subscriber | None, sender: Addresses) -> bytes:
    """What stands for somebody: their id, or else their first address's keyed hash."""
    return subscriber.id.bytes if subscriber else indexes(sender)[0]


def hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def rated(wish: Wish) -> UUID | None:
    """The broadcast that a rating is about."""
    return _uuid(wish.text) if wish.intent is Intent.RATING else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

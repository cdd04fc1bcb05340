"""Meta's own "stop marketing messages" in the app: obeyed, never answered."""

import hashlib
from dataclasses import dataclass

from services.subscriptions.domain.subscriber import Moment, Subscriber, indexes
from shared.contracts.inbound import PreferenceChange

MARKETING = "marketing_messages"
STOP = "stop"


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """The subscriber afterwards, and the topics that were left."""

    subscriber: Subscriber
    topics: frozenset[str]


def is_stop(change: PreferenceChange) -> bool:
    """A resume has no effect: only the person's own "Start" subscribes."""
    return change.category == MARKETING and change.value == STOP


def key_of(change: PreferenceChange) -> bytes:
    """Equal for a change that is delivered again, as there is no message id."""
    words = (change.category, change.value, change.at.isoformat())
    return hashlib.sha256(b"\0".join([*indexes(change.person), *(word.encode() for word in words)])).digest()


def leave_marketing(
    subscriber: Subscriber | None, change: PreferenceChange, marketing: frozenset[str]
) -> Leaving | None:
    """None if nothing is left by it, also because a "Start" is newer."""
    moment = Moment(change.at, change.at)
    if subscriber is None or not subscriber.topics & marketing:
        return None
    if subscriber.started and change.at < subscriber.started.at:
        return None
    topics = subscriber.topics & marketing
    return Leaving(subscriber=subscriber.leave(topics, moment), topics=topics)

"""Stop and resume of marketing messages in WhatsApp itself: obeyed, never answered."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.subscriptions.domain.subscriber import MessageTime, Subscriber, list_indexes
from shared.contracts.inbound import PreferenceChange

MARKETING = "marketing_messages"
STOP = "stop"
RESUME = "resume"


@dataclass(frozen=True, kw_only=True)
class PreferenceResult:
    """Subscriber after a change, and the topics withdrawn or restored by it."""

    subscriber: Subscriber
    withdrawn: frozenset[str] = frozenset()
    restored: frozenset[str] = frozenset()


def is_relevant(change: PreferenceChange) -> bool:
    """Return whether it stops or resumes marketing messages; other categories, and a sign-up, have no effect here."""
    return change.category == MARKETING and change.value in (STOP, RESUME)


def derive_key(change: PreferenceChange) -> bytes:
    """Return a key that is equal for a redelivered change, as there is no message id."""
    return _hash_change(change, list_indexes(change.person))


def derive_alternate_keys(change: PreferenceChange) -> tuple[bytes, ...]:
    """Return the key that the same change has under the other index key, during a key rotation."""
    return (_hash_change(change, sorted(change.person.also)),) if change.person.also else ()


def _hash_change(change: PreferenceChange, person: Sequence[bytes]) -> bytes:
    words = (change.category, change.value, change.at.isoformat())
    return hashlib.sha256(b"\0".join([*person, *(word.encode() for word in words)])).digest()


def apply_preference(
    subscriber: Subscriber | None, change: PreferenceChange, marketing: frozenset[str]
) -> PreferenceResult | None:
    """Apply a change; return None for an unknown person, and if a "Start" or another preference is newer."""
    if subscriber is None or _is_outdated(subscriber, change):
        return None
    preferring = replace(subscriber, preferred=change.at)
    return (_stop if change.value == STOP else _resume)(preferring, change, marketing)


def _is_outdated(subscriber: Subscriber, change: PreferenceChange) -> bool:
    if subscriber.preferred and change.at < subscriber.preferred:
        return True
    return subscriber.started is not None and change.at < subscriber.started.at


def _stop(subscriber: Subscriber, change: PreferenceChange, marketing: frozenset[str]) -> PreferenceResult:
    topics = subscriber.topics & marketing
    if not topics:
        return PreferenceResult(subscriber=subscriber)
    return PreferenceResult(subscriber=subscriber.suspend(topics, MessageTime(change.at, change.at)), withdrawn=topics)


def _resume(subscriber: Subscriber, change: PreferenceChange, marketing: frozenset[str]) -> PreferenceResult:
    """Restore only topics that a stop in the app suspended, and that the person has not decided about since."""
    topics = subscriber.suspended & marketing
    if not topics:
        return PreferenceResult(subscriber=subscriber)
    return PreferenceResult(subscriber=subscriber.restore(topics, change.person), restored=topics)

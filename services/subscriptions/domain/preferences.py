"""Meta's own stop and resume of marketing messages in the app: obeyed, never answered."""

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
    """The subscriber afterwards, and the topics that were left or are back."""

    subscriber: Subscriber
    withdrawn: frozenset[str] = frozenset()
    restored: frozenset[str] = frozenset()


def is_relevant(change: PreferenceChange) -> bool:
    """Of anything else than marketing, and of a sign-up, we know nothing to do."""
    return change.category == MARKETING and change.value in (STOP, RESUME)


def derive_key(change: PreferenceChange) -> bytes:
    """Equal for a change that is delivered again, as there is no message id."""
    return _hash_change(change, list_indexes(change.person))


def derive_alternate_keys(change: PreferenceChange) -> tuple[bytes, ...]:
    """The key that the same change has with the other index key, while one replaces another."""
    return (_hash_change(change, sorted(change.person.also)),) if change.person.also else ()


def _hash_change(change: PreferenceChange, person: Sequence[bytes]) -> bytes:
    words = (change.category, change.value, change.at.isoformat())
    return hashlib.sha256(b"\0".join([*person, *(word.encode() for word in words)])).digest()


def apply_preference(
    subscriber: Subscriber | None, change: PreferenceChange, marketing: frozenset[str]
) -> PreferenceResult | None:
    """None for a stranger, and if a "Start" or another preference is newer."""
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
    """Only what a stop in the app ended, and no word of the person since."""
    topics = subscriber.suspended & marketing
    if not topics:
        return PreferenceResult(subscriber=subscriber)
    return PreferenceResult(subscriber=subscriber.restore(topics, change.person), restored=topics)

"""Meta's words that may be counted by name: as many as we know, and one more for all others.

Source: Meta, webhook reference (September 2026) and its OpenAPI file v23.0.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.ingress.domain.findings import Event
from shared.contracts.inbound import ACCOUNT_FIELDS, AccountEvent, DeliveryStatus, InboundMessage, PreferenceChange

OTHER = "other"
_HARMLESS = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True)
class Words:
    """Where an event says what it is, and what we know that it may say."""

    of: Callable[[Any], str]
    known: frozenset[str]

    def label(self, word: str) -> str:
        """The word if it is known."""
        return word if word in self.known else OTHER


def count_words(kind: type[Event], events: Sequence[Event]) -> Mapping[str, int]:
    """How often each word stands in these events, which all are of this kind."""
    words = WORDS.get(kind)
    if words is None:
        return {}
    # Most often there is one, and a Counter costs ten times as much as this.
    return {words.of(events[0]): 1} if len(events) == 1 else Counter(map(words.of, events))


def add_up(counts: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    """All of them together."""
    total: dict[str, int] = {}
    for count in counts:
        for word, times in count.items():
            total[word] = total.get(word, 0) + times
    return total


def is_harmless(word: str) -> bool:
    """Whether a word can be nothing but one of Meta's, so that an operator may read it."""
    return bool(_HARMLESS.fullmatch(word))


MESSAGE_TYPES = frozenset(
    {
        "audio",
        "button",
        "contacts",
        "document",
        "edit",
        "image",
        "interactive",
        "location",
        "order",
        "reaction",
        "request_welcome",
        "revoke",
        "sticker",
        "system",
        "text",
        "unknown",
        "unsupported",
        "video",
    }
)
STATUSES = frozenset({"sent", "delivered", "read", "failed", "played", "deleted", "warning"})
PREFERENCES = frozenset({"stop", "resume", "signup"})

WORDS: Mapping[type[Event], Words] = {
    InboundMessage: Words(lambda event: event.kind, MESSAGE_TYPES),
    DeliveryStatus: Words(lambda event: event.status, STATUSES),
    PreferenceChange: Words(lambda event: event.value, PREFERENCES),
    AccountEvent: Words(lambda event: event.field, ACCOUNT_FIELDS),
}

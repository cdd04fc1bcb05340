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

OTHER_LABEL = "other"
_HARMLESS = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True)
class KnownLabels:
    """Where an event says what it is, and what we know that it may say."""

    get_label: Callable[[Any], str]
    known: frozenset[str]

    def normalize(self, word: str) -> str:
        """The word if it is known."""
        return word if word in self.known else OTHER_LABEL


def count_labels(kind: type[Event], events: Sequence[Event]) -> Mapping[str, int]:
    """How often each word stands in these events, which all are of this kind."""
    words = KNOWN_LABELS.get(kind)
    if words is None:
        return {}
    # Most often there is one, and a Counter costs ten times as much as this.
    return {words.get_label(events[0]): 1} if len(events) == 1 else Counter(map(words.get_label, events))


def sum_counts(counts: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    """All of them together."""
    total: dict[str, int] = {}
    for count in counts:
        for word, times in count.items():
            total[word] = total.get(word, 0) + times
    return total


def is_loggable(word: str) -> bool:
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

KNOWN_LABELS: Mapping[type[Event], KnownLabels] = {
    InboundMessage: KnownLabels(lambda event: event.kind, MESSAGE_TYPES),
    DeliveryStatus: KnownLabels(lambda event: event.status, STATUSES),
    PreferenceChange: KnownLabels(lambda event: event.value, PREFERENCES),
    AccountEvent: KnownLabels(lambda event: event.field, ACCOUNT_FIELDS),
}

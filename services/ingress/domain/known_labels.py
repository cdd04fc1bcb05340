"""Meta's labels that are counted by name; all unknown ones count as one more."""

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
    """Known labels of a type of event, and the function that reads an event's label."""

    get_label: Callable[[Any], str]
    known: frozenset[str]

    def normalize(self, word: str) -> str:
        """Return the label if it is known, else `OTHER_LABEL`."""
        return word if word in self.known else OTHER_LABEL


def count_labels(kind: type[Event], events: Sequence[Event]) -> Mapping[str, int]:
    """Count the labels of these events, which are all of this type."""
    words = KNOWN_LABELS.get(kind)
    if words is None:
        return {}
    # Usually there is one event, for which a Counter costs ten times as much.
    return {words.get_label(events[0]): 1} if len(events) == 1 else Counter(map(words.get_label, events))


def sum_counts(counts: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    """Return the sum of the counts."""
    total: dict[str, int] = {}
    for count in counts:
        for word, times in count.items():
            total[word] = total.get(word, 0) + times
    return total


def is_loggable(word: str) -> bool:
    """Return whether a label can only be one of Meta's words, so that it may be logged."""
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

"""Results of parsing: events by type, their labels for metrics, and their encoding in chunks that fit into a message.

Events are encoded right after parsing, not when their message is published: waiting events would be hundreds of
objects that leave the processor's cache and that the garbage collector traverses again and again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from shared.contracts.inbound import (
    ACCOUNT_FIELDS,
    AccountEvent,
    AccountEvents,
    DeliveryStatus,
    DeliveryStatuses,
    IdentityChange,
    IdentityChanges,
    InboundMessage,
    InboundMessages,
    PreferenceChange,
    PreferenceChanges,
    WebhookQuarantined,
)
from shared.contracts.message import Message

MAX_GROUP_EVENTS = 500
MAX_GROUP_BYTES = 131_072
OTHER_LABEL = "other"
_encoder = msgspec.json.Encoder()

Event = InboundMessage | DeliveryStatus | PreferenceChange | IdentityChange | AccountEvent | WebhookQuarantined


class Ignored(StrEnum):
    """Reason to ignore a part that was parsed."""

    OTHER_NUMBER = "other_number"
    OTHER_ACCOUNT = "other_account"
    GROUP = "group"
    CALL = "call"
    COEXISTENCE = "coexistence"
    HANDOVER = "handover"
    ADVERTISING = "advertising"
    EMPTY = "empty"


class ProblemKind(StrEnum):
    """Kind of part that could not be parsed."""

    NO_WEBHOOK = "no_webhook"
    UNKNOWN_FIELD = "unknown_field"
    BROKEN_PART = "broken_part"
    BROKEN_FIELD = "broken_field"


@dataclass(frozen=True)
class ParseProblem:
    """Part that could not be parsed: its position and the reason, without a value.

    `part` is the part, wrapped as an entry of a webhook, or None if only the whole body can be quarantined.
    """

    reason: str
    kind: ProblemKind = ProblemKind.BROKEN_PART
    part: bytes | None = None


Finding = Event | Ignored | ParseProblem


class ParsedWebhook(Struct, frozen=True):
    """Findings of one webhook, by how they are handled."""

    events: list[Event] = []
    ignored: list[Ignored] = []
    problems: list[ParseProblem] = []


@dataclass(frozen=True)
class KnownLabels:
    """Known labels of a type of event, and the function that reads an event's label."""

    get_label: Callable[[Any], str]
    known: frozenset[str]


def count_labels(event_type: type[Event], events: Sequence[Event]) -> Mapping[str, int]:
    """Count the labels of these events, which are all of this type."""
    labels = KNOWN_LABELS.get(event_type)
    if labels is None:
        return {}
    # Usually there is one event, for which a Counter costs ten times as much.
    return {labels.get_label(events[0]): 1} if len(events) == 1 else Counter(map(labels.get_label, events))


def sum_counts(counts: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    total: dict[str, int] = {}
    for count in counts:
        for label, number in count.items():
            total[label] = total.get(label, 0) + number
    return total


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

GROUP_TYPES: Mapping[type[Event], type[Message]] = {
    InboundMessage: InboundMessages,
    DeliveryStatus: DeliveryStatuses,
    PreferenceChange: PreferenceChanges,
    IdentityChange: IdentityChanges,
    AccountEvent: AccountEvents,
    WebhookQuarantined: WebhookQuarantined,
}
# The message of a group is a list in one field; an event of any other type is a message of its own.
_FIELDS: Mapping[type[Event], str] = {
    event_type: group.__struct_fields__[0] for event_type, group in GROUP_TYPES.items() if group is not event_type
}


def split_by_type(events: Sequence[Event]) -> Mapping[type[Event], Sequence[Event]]:
    """Group the events by type; within a type, their order is kept."""
    types = dict.fromkeys(map(type, events))
    if len(types) == 1:
        return {type(events[0]): events}
    return {event_type: [event for event in events if type(event) is event_type] for event_type in types}


@dataclass(slots=True)
class Chunk:
    """Events of one webhook and one type: their number, their JSON joined by commas, and counts of Meta's labels."""

    events: int
    json: bytes
    labels: Mapping[str, int]


EncodedEvents = Mapping[type[Event], Sequence[Chunk]]


def encode_events(events: Sequence[Event]) -> EncodedEvents:
    """Encode all events of a webhook; within a type, their order is kept."""
    return {event_type: split_into_chunks(group) for event_type, group in split_by_type(events).items()}


def split_into_chunks(events: Sequence[Event]) -> list[Chunk]:
    """Halve the events until each chunk fits; a single event may be larger. All events are of one type."""
    if len(events) > 1 and type(events[0]) not in _FIELDS:
        return [chunk for event in events for chunk in split_into_chunks([event])]
    json = _encoder.encode(events)
    if len(events) == 1 or (len(events) <= MAX_GROUP_EVENTS and len(json) <= MAX_GROUP_BYTES):
        return [Chunk(len(events), json[1:-1], count_labels(type(events[0]), events))]
    middle = len(events) // 2
    return [*split_into_chunks(events[:middle]), *split_into_chunks(events[middle:])]


def join_chunks(event_type: type[Event], chunks: Sequence[Chunk]) -> bytes:
    """Return the data of the message with these chunks; a type that is not grouped has one chunk with one event."""
    joined = b",".join([chunk.json for chunk in chunks])
    field = _FIELDS.get(event_type)
    return b'{"%b":[%b]}' % (field.encode(), joined) if field else joined

"""Events encoded for publishing, in chunks that fit into a message.

Events are encoded right after parsing, not when their message is published: waiting events would be hundreds of
objects that leave the processor's cache and that the garbage collector traverses again and again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from services.ingress.domain.event_groups import split_by_type
from services.ingress.domain.findings import Event
from services.ingress.domain.known_labels import count_labels
from shared.contracts.inbound import AccountEvent, DeliveryStatus, IdentityChange, InboundMessage, PreferenceChange

MAX_GROUP_EVENTS = 500
MAX_GROUP_BYTES = 131_072

# The message of a group is a list in one field; each event of a type not named here is a message of its own.
_FIELDS: Mapping[type[Event], bytes] = {
    InboundMessage: b"messages",
    DeliveryStatus: b"statuses",
    PreferenceChange: b"changes",
    IdentityChange: b"changes",
    AccountEvent: b"events",
}
_encoder = msgspec.json.Encoder()


@dataclass(slots=True)
class Chunk:
    """Events of one webhook and one type: their number, their JSON joined by commas, and counts of Meta's labels."""

    events: int
    json: bytes
    labels: Mapping[str, int]


EncodedEvents = Mapping[type[Event], Sequence[Chunk]]


def encode_events(events: Sequence[Event]) -> EncodedEvents:
    """Encode all events of a webhook; within a type, their order is kept."""
    return {kind: split_into_chunks(same) for kind, same in split_by_type(events).items()}


def count_bytes(packed: EncodedEvents) -> int:
    """Return the total size in bytes."""
    return sum([len(each.json) for slices in packed.values() for each in slices])


def split_into_chunks(events: Sequence[Event]) -> list[Chunk]:
    """Halve the events until each chunk fits; a single event may be larger. All events are of one type."""
    if len(events) > 1 and type(events[0]) not in _FIELDS:
        return [each for event in events for each in split_into_chunks([event])]
    json = _encoder.encode(events)
    if len(events) == 1 or (len(events) <= MAX_GROUP_EVENTS and len(json) <= MAX_GROUP_BYTES):
        return [Chunk(len(events), json[1:-1], count_labels(type(events[0]), events))]
    middle = len(events) // 2
    return [*split_into_chunks(events[:middle]), *split_into_chunks(events[middle:])]


def join_chunks(kind: type[Event], slices: Sequence[Chunk]) -> bytes:
    """Return the data of the message with these chunks; a type that is not grouped has one chunk with one event."""
    joined = b",".join([each.json for each in slices])
    field = _FIELDS.get(kind)
    return b'{"%b":[%b]}' % (field, joined) if field else joined

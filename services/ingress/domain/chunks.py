"""Events as they travel, in pieces that fit into a message.

They are encoded as soon as they are understood, and not when their message leaves: events that wait are hundreds of
objects that leave the processor's cache and that the garbage collector walks over again and again.
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

# The message of a group is a list in one field; what is not named here is a message by itself.
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
    """Events of one webhook and one type: how many, their JSON with commas between, and Meta's words for them."""

    events: int
    json: bytes
    labels: Mapping[str, int]


EncodedEvents = Mapping[type[Event], Sequence[Chunk]]


def encode_events(events: Sequence[Event]) -> EncodedEvents:
    """All of a webhook's events, in their order for each type."""
    return {kind: split_into_chunks(same) for kind, same in split_by_type(events).items()}


def count_bytes(packed: EncodedEvents) -> int:
    """How many bytes wait."""
    return sum([len(each.json) for slices in packed.values() for each in slices])


def split_into_chunks(events: Sequence[Event]) -> list[Chunk]:
    """Halves, and halves of these, until each fits; a single event may be larger. All are of one type."""
    if len(events) > 1 and type(events[0]) not in _FIELDS:
        return [each for event in events for each in split_into_chunks([event])]
    json = _encoder.encode(events)
    if len(events) == 1 or (len(events) <= MAX_GROUP_EVENTS and len(json) <= MAX_GROUP_BYTES):
        return [Chunk(len(events), json[1:-1], count_labels(type(events[0]), events))]
    middle = len(events) // 2
    return [*split_into_chunks(events[:middle]), *split_into_chunks(events[middle:])]


def join_chunks(kind: type[Event], slices: Sequence[Chunk]) -> bytes:
    """The data of the message that carries them all; one that is no group carries one slice with one event."""
    joined = b",".join([each.json for each in slices])
    field = _FIELDS.get(kind)
    return b'{"%b":[%b]}' % (field, joined) if field else joined

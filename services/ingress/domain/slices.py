"""Events as they travel, in pieces that fit into a message.

They are encoded as soon as they are understood, and not when their message leaves: events that wait are hundreds of
objects that leave the processor's cache and that the garbage collector walks over again and again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from services.ingress.domain.findings import Event
from services.ingress.domain.groups import by_type
from services.ingress.domain.words import count_words
from shared.contracts.inbound import AccountEvent, DeliveryStatus, IdentityChange, InboundMessage, PreferenceChange

MOST_EVENTS = 500
MOST_BYTES = 131_072

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
class Slice:
    """Events of one webhook and one type: how many, their JSON with commas between, and Meta's words for them."""

    events: int
    json: bytes
    words: Mapping[str, int]


Packed = Mapping[type[Event], Sequence[Slice]]


def pack(events: Sequence[Event]) -> Packed:
    """All of a webhook's events, in their order for each type."""
    return {kind: slices_of(same) for kind, same in by_type(events).items()}


def size_of(packed: Packed) -> int:
    """How many bytes wait."""
    return sum([len(each.json) for slices in packed.values() for each in slices])


def slices_of(events: Sequence[Event]) -> list[Slice]:
    """Halves, and halves of these, until each fits; a single event may be larger. All are of one type."""
    if len(events) > 1 and type(events[0]) not in _FIELDS:
        return [each for event in events for each in slices_of([event])]
    json = _encoder.encode(events)
    if len(events) == 1 or (len(events) <= MOST_EVENTS and len(json) <= MOST_BYTES):
        return [Slice(len(events), json[1:-1], count_words(type(events[0]), events))]
    middle = len(events) // 2
    return [*slices_of(events[:middle]), *slices_of(events[middle:])]


def data_of(kind: type[Event], slices: Sequence[Slice]) -> bytes:
    """The data of the message that carries them all; one that is no group carries one slice with one event."""
    joined = b",".join([each.json for each in slices])
    field = _FIELDS.get(kind)
    return b'{"%b":[%b]}' % (field, joined) if field else joined

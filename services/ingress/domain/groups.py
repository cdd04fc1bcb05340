"""Which events travel together, and how much room one takes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from services.ingress.domain.findings import Event
from shared.contracts.inbound import (
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

E = TypeVar("E", bound=Event)

# About what an event takes as JSON beside its free parts.
_FRAME_BYTES = 400

GROUPS: Mapping[type[Event], type[Message]] = {
    InboundMessage: InboundMessages,
    DeliveryStatus: DeliveryStatuses,
    PreferenceChange: PreferenceChanges,
    IdentityChange: IdentityChanges,
    AccountEvent: AccountEvents,
    WebhookQuarantined: WebhookQuarantined,
}
_MAKE: Mapping[type[Event], Callable[[tuple[Any, ...]], Message]] = {
    InboundMessage: lambda events: InboundMessages(messages=events),
    DeliveryStatus: lambda events: DeliveryStatuses(statuses=events),
    PreferenceChange: lambda events: PreferenceChanges(changes=events),
    IdentityChange: lambda events: IdentityChanges(changes=events),
    AccountEvent: lambda events: AccountEvents(events=events),
    WebhookQuarantined: lambda events: events[0],
}


def group_of(events: Sequence[Event]) -> Message:
    """The message that carries these events; all are of one type, and there is at least one."""
    return _MAKE[type(events[0])](tuple(events))


def by_type(events: Sequence[Event]) -> dict[type[Event], list[Event]]:
    """The events of each type, in their order."""
    sorted_out: dict[type[Event], list[Event]] = {}
    for event in events:
        sorted_out.setdefault(type(event), []).append(event)
    return sorted_out


def weigh(event: Event) -> int:
    """About how many bytes the event takes in its group."""
    match event:
        case InboundMessage(text=text) if text:
            return _FRAME_BYTES + 4 * len(text)
        case AccountEvent(value=value):
            return _FRAME_BYTES + len(msgspec.json.encode(value))
        case WebhookQuarantined(sealed=sealed):
            return _FRAME_BYTES + len(sealed) * 4 // 3
        case _:
            return _FRAME_BYTES

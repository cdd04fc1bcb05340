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

# What is as long as its sender likes.
_FREE_PARTS: Mapping[type[Event], Callable[[Any], int]] = {
    InboundMessage: lambda event: 4 * len(event.text or ""),
    AccountEvent: lambda event: len(msgspec.json.encode(event.value)),
    WebhookQuarantined: lambda event: len(event.sealed) * 4 // 3,
}


def group_of(events: Sequence[Event]) -> Message:
    """The message that carries these events; all are of one type, and there is at least one."""
    return _MAKE[type(events[0])](tuple(events))


def by_type(events: Sequence[E]) -> Mapping[type[E], Sequence[E]]:
    """The events of each type, in their order."""
    types = dict.fromkeys(map(type, events))
    if len(types) == 1:
        return {type(events[0]): events}
    return {kind: [event for event in events if type(event) is kind] for kind in types}


def weigh(events: Sequence[Event]) -> int:
    """About how many bytes these events, which are of one type, take in their group."""
    free_parts = _FREE_PARTS.get(type(events[0]))
    return _FRAME_BYTES * len(events) + (sum(map(free_parts, events)) if free_parts else 0)

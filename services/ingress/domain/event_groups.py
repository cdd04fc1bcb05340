"""Grouping of events into messages."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

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

GROUP_TYPES: Mapping[type[Event], type[Message]] = {
    InboundMessage: InboundMessages,
    DeliveryStatus: DeliveryStatuses,
    PreferenceChange: PreferenceChanges,
    IdentityChange: IdentityChanges,
    AccountEvent: AccountEvents,
    WebhookQuarantined: WebhookQuarantined,
}
_BUILDERS: Mapping[type[Event], Callable[[tuple[Any, ...]], Message]] = {
    InboundMessage: lambda events: InboundMessages(messages=events),
    DeliveryStatus: lambda events: DeliveryStatuses(statuses=events),
    PreferenceChange: lambda events: PreferenceChanges(changes=events),
    IdentityChange: lambda events: IdentityChanges(changes=events),
    AccountEvent: lambda events: AccountEvents(events=events),
    WebhookQuarantined: lambda events: events[0],
}


def build_group_message(events: Sequence[Event]) -> Message:
    """Return the message with these events, which are of one type; there is at least one."""
    return _BUILDERS[type(events[0])](tuple(events))


def split_by_type(events: Sequence[E]) -> Mapping[type[E], Sequence[E]]:
    """Return the events of each type, in their order."""
    types = dict.fromkeys(map(type, events))
    if len(types) == 1:
        return {type(events[0]): events}
    return {kind: [event for event in events if type(event) is kind] for kind in types}

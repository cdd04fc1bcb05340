"""What is found in a webhook."""

from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct

from shared.contracts.inbound import (
    AccountEvent,
    DeliveryStatus,
    IdentityChange,
    InboundMessage,
    PreferenceChange,
    WebhookQuarantined,
)

Event = InboundMessage | DeliveryStatus | PreferenceChange | IdentityChange | AccountEvent | WebhookQuarantined


class Ignored(StrEnum):
    """Why something that we understood is not for us."""

    OTHER_NUMBER = "other_number"
    GROUP = "group"


@dataclass(frozen=True)
class Problem:
    """What was not understood: the place and the reason, without a value."""

    reason: str


Finding = Event | Ignored | Problem


class Understood(Struct, frozen=True):
    """The findings of one webhook by what is to be done about them."""

    events: list[Event] = []
    ignored: list[Ignored] = []
    problems: list[Problem] = []

"""What is found in a webhook."""

from dataclasses import dataclass, field
from enum import StrEnum

from shared.contracts.inbound import (
    AccountEvent,
    DeliveryStatus,
    InboundMessage,
    PreferenceChange,
    WebhookQuarantined,
)

Event = InboundMessage | DeliveryStatus | PreferenceChange | AccountEvent | WebhookQuarantined


class Ignored(StrEnum):
    """Why something that we understood is not for us."""

    OTHER_NUMBER = "other_number"
    GROUP = "group"


@dataclass(frozen=True)
class Problem:
    """What was not understood: the place and the reason, without a value."""

    reason: str


Finding = Event | Ignored | Problem


@dataclass(frozen=True)
class Understood:
    """The findings of one webhook by what is to be done about them."""

    events: list[Event] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

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
    OTHER_ACCOUNT = "other_account"
    GROUP = "group"
    CALL = "call"
    COEXISTENCE = "coexistence"
    HANDOVER = "handover"
    ADVERTISING = "advertising"
    EMPTY = "empty"


class ProblemKind(StrEnum):
    """What sort of thing was not understood."""

    NO_WEBHOOK = "no_webhook"
    UNKNOWN_FIELD = "unknown_field"
    BROKEN_PART = "broken_part"
    BROKEN_FIELD = "broken_field"


@dataclass(frozen=True)
class ParseProblem:
    """What was not understood: the place and the reason, without a value.

    `part` is what stands there, as an entry of a webhook, or None if that can be no less than the whole body.
    """

    reason: str
    kind: ProblemKind = ProblemKind.BROKEN_PART
    part: bytes | None = None


Finding = Event | Ignored | ParseProblem


class ParsedWebhook(Struct, frozen=True):
    """The findings of one webhook by what is to be done about them."""

    events: list[Event] = []
    ignored: list[Ignored] = []
    problems: list[ParseProblem] = []

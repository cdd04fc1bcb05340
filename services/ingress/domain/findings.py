"""Findings in a webhook: events, ignored parts and problems."""

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
    """Part that could not be parsed: its place and the reason, without a value.

    `part` is the part itself as an entry of a webhook, or None if only the whole body can be quarantined.
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

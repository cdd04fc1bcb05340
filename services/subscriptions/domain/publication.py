"""Messages to publish, stored so that they can be published again with the same bytes."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from shared.contracts.envelope import encode
from shared.contracts.message import Message
from shared.outcome import DependencyUnavailable

SOURCE = "/kreisfunk/subscriptions"


class Destination(StrEnum):
    """Destination of a publication: `DISPATCH` for requests to send, `EVENTS` for public events."""

    DISPATCH = "dispatch"
    EVENTS = "events"


class Publication(Struct, frozen=True, kw_only=True):
    """Encoded message with its destination. If `required`, processing continues only once a queue has taken it."""

    destination: Destination
    key: str
    message_id: str
    body: bytes
    required: bool


class PublicationRefused(DependencyUnavailable):
    """The broker is reachable but refuses more messages for now: the lane is full."""


def build_event(
    message: Message,
    *,
    identifier: UUID,
    at: datetime,
    required: bool = False,
    destination: Destination = Destination.EVENTS,
) -> Publication:
    """Return the publication of an event, or of a request to send."""
    return Publication(
        destination=destination,
        key=message.KEY,
        message_id=str(identifier),
        body=encode(message, event_id=str(identifier), source=SOURCE, time=at),
        required=required,
    )

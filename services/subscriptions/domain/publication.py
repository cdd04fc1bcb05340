"""A message as it will be published, stored so that it can be published again with the same bytes."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from shared.contracts.envelope import encode
from shared.contracts.message import Message

SOURCE = "/kreisfunk/subscriptions"


class Destination(StrEnum):
    """`DISPATCH` is what is to be sent, `EVENTS` what we tell the world."""

    DISPATCH = "dispatch"
    EVENTS = "events"


class Publication(Struct, frozen=True, kw_only=True):
    """`required` means that somebody must listen: without a queue for it nothing may go on."""

    destination: Destination
    key: str
    message_id: str
    body: bytes
    required: bool


def build_dispatch_message(message: Message, *, key: str, identifier: UUID, at: datetime) -> Publication:
    """Something for the dispatcher to send."""
    return Publication(
        destination=Destination.DISPATCH,
        key=key,
        message_id=str(identifier),
        body=encode(message, event_id=str(identifier), source=SOURCE, time=at),
        required=True,
    )


def build_event(message: Message, *, identifier: UUID, at: datetime, required: bool = False) -> Publication:
    """Something that happened."""
    return Publication(
        destination=Destination.EVENTS,
        key=message.KEY,
        message_id=str(identifier),
        body=encode(message, event_id=str(identifier), source=SOURCE, time=at),
        required=required,
    )

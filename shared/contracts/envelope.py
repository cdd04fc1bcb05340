"""Registry of all message types, and their envelope: CloudEvents 1.0 in structured JSON.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

from datetime import UTC, datetime
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from shared.contracts import dispatch, events, inbound, notices
from shared.contracts.message import Message, Moment

MESSAGES: dict[str, type[Message]] = {
    message_type.TYPE: message_type
    for module in (inbound, notices, dispatch, events)
    for message_type in vars(module).values()
    if isinstance(message_type, type) and issubclass(message_type, Message) and hasattr(message_type, "TYPE")
}
CONTENT_TYPE = "application/cloudevents+json"
UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)
M = TypeVar("M", bound=Message)


class ContractError(ValueError):
    """The bytes are not an event of this registry. The message names the field and the type, never a value."""


class Envelope(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Attributes of an event; `data` is decoded once its type is known.

    `expirytime` is a documented extension. Two extensions are our own, and are ignored from any publisher but the
    notices API: `kreisfunksystem` is the registered system whose event it passes on, and `kreisfunktopics`, separated
    by commas, are the topics that the system's token is limited to, if any.
    """

    id: Annotated[str, Meta(min_length=1, max_length=200)]
    source: Annotated[str, Meta(min_length=1, max_length=200)]
    type: str
    specversion: str
    time: Moment = UNKNOWN_TIME
    subject: str | None = None
    expirytime: Moment | None = None
    datacontenttype: str = ""
    kreisfunksystem: str | None = None
    kreisfunktopics: str | None = None
    traceparent: str | None = None
    data: Raw = Raw(b"null")


_encoder = msgspec.json.Encoder()
_envelope_decoder = msgspec.json.Decoder(Envelope)
_data_decoders = {name: msgspec.json.Decoder(message_type) for name, message_type in MESSAGES.items()}


def encode(
    message: Message,
    *,
    event_id: str,
    source: str,
    time: datetime,
    subject: str | None = None,
    expirytime: datetime | None = None,
) -> bytes:
    """Return the bytes of an event. `source` is a URI reference such as `/kreisfunk/ingress`."""
    data = _encoder.encode(message)
    return wrap_data(
        type(message), data, event_id=event_id, source=source, time=time, subject=subject, expirytime=expirytime
    )


def wrap_data(
    message_type: type[Message],
    data: bytes,
    *,
    event_id: str,
    source: str,
    time: datetime,
    subject: str | None = None,
    expirytime: datetime | None = None,
) -> bytes:
    """Return the bytes of an event with already encoded data of this type."""
    envelope = Envelope(
        specversion="1.0",
        id=event_id,
        source=source,
        type=message_type.TYPE,
        time=time,
        subject=subject,
        expirytime=expirytime,
        datacontenttype="application/json",
        data=Raw(data),
    )
    return _encoder.encode(envelope)


def read_envelope(body: bytes) -> Envelope:
    """Return the envelope of an event of any type. Raises ContractError."""
    try:
        envelope = _envelope_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ContractError(f"not a CloudEvent in structured JSON: {error}") from None
    if envelope.specversion != "1.0":
        raise ContractError("specversion must be 1.0")
    return envelope


def read_data(envelope: Envelope, message_type: type[M]) -> M:
    """Return the data of an event that must be of this type. Raises ContractError."""
    if envelope.type != message_type.TYPE:
        raise ContractError(f"expected {message_type.TYPE}")
    message = read_message(envelope)
    assert isinstance(message, message_type)  # noqa: S101 - the registry maps this type name to this class
    return message


def read_message(envelope: Envelope) -> Message:
    """Return the data of an event of any type in the registry. Raises ContractError."""
    decoder = _data_decoders.get(envelope.type)
    if decoder is None:
        raise ContractError("unknown event type")
    try:
        return decoder.decode(envelope.data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ContractError(f"{envelope.type}: {error}") from None


def decode(body: bytes) -> Message:
    """Return the message in the bytes of an event. Raises ContractError."""
    return read_message(read_envelope(body))

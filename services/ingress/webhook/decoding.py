"""Decoding of bytes to parts of a webhook; errors name the field and the reason, never a value."""

import re
from collections.abc import Container, Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple, TypeVar

import msgspec

from services.ingress.webhook import payloads
from services.ingress.webhook.events import ProblemKind

# A number from here on (the year 5138) cannot be seconds, so it is milliseconds.
_MIN_MILLISECONDS = 100_000_000_000
_MAX_TIMESTAMP_LENGTH = 20
# Decoded values are encoded again, a few levels deeper.
_MAX_DEPTH = 32

# Each escape in JSON: a surrogate pair, a lone surrogate, or anything else.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_REPLACEMENT = rb"\ufffd"

P = TypeVar("P", bound=payloads.WebhookPart)
T = TypeVar("T")
Dropped = Mapping[str, str]
_NOTHING_DROPPED: Dropped = {}
_encoder = msgspec.json.Encoder()
_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Field(NamedTuple):
    """Field of a part, decoded on its own."""

    name: str
    key: str
    required: bool
    decoder: msgspec.json.Decoder[Any]


class ParseError(ValueError):
    """Error: a part is malformed. The text contains none of its values."""

    kind = ProblemKind.BROKEN_PART


class UnknownField(ParseError):
    """Error: a part is well formed but of an unknown kind."""

    kind = ProblemKind.UNKNOWN_FIELD


def _decode(part_type: type[T], raw: bytes | msgspec.Raw) -> T:
    try:
        return msgspec.json.decode(raw, type=part_type)
    except _UNDECODABLE as error:
        raise ParseError(_explain(error)) from None


def decode_webhook(body: bytes) -> payloads.Webhook:
    """Decode the whole body; replace lone surrogates, so that they affect no other part. Raises ParseError."""
    try:
        return _decode(payloads.Webhook, body)
    except ParseError:
        repaired = _ESCAPE.sub(lambda match: _REPLACEMENT if match["lone"] else match[0], body)
        if repaired == body:
            raise
        return _decode(payloads.Webhook, repaired)


def decode_valid_fields(part_type: type[P], raw: bytes | msgspec.Raw) -> tuple[P, Dropped]:
    """Return the part without the fields that do not decode, and the reason for each.

    Raises ParseError if a required or needed field does not decode.
    """
    try:
        return msgspec.json.decode(raw, type=part_type), _NOTHING_DROPPED
    except _UNDECODABLE:
        return _decode_fields(part_type, raw)


@cache
def _list_fields(part_type: type[payloads.WebhookPart]) -> tuple[_Field, ...]:
    return tuple(
        _Field(field.name, field.encode_name, field.required, msgspec.json.Decoder(field.type))
        for field in msgspec.structs.fields(part_type)
    )


def _decode_fields(part_type: type[P], raw: bytes | msgspec.Raw) -> tuple[P, Dropped]:
    values, dropped = {}, {}
    raw_fields = _decode(dict[str, msgspec.Raw], raw)
    for field in _list_fields(part_type):
        if field.key not in raw_fields:
            if field.required:
                raise ParseError(f"Object missing required field `{field.key}`")
            continue
        try:
            values[field.name] = field.decoder.decode(raw_fields[field.key])
        except _UNDECODABLE as error:
            if field.required:
                raise ParseError(f"{field.key}: {_explain(error)}") from None
            dropped[field.key] = _explain(error)
    part = part_type(**values)
    for name in part.needed & dropped.keys():
        raise ParseError(f"{name}: {dropped[name]}")
    return part, dropped


def keep_fields(raw: bytes | msgspec.Raw, names: Container[str]) -> bytes:
    """Return the JSON of the object with only these fields."""
    fields = _decode(dict[str, msgspec.Raw], raw)
    return _encoder.encode({name: content for name, content in fields.items() if name in names})


def extract_texts(raw: bytes | msgspec.Raw, *names: str) -> list[str]:
    """Return those of the named fields that are non-empty text, even if the part is malformed otherwise."""
    try:
        fields = _decode(dict[str, msgspec.Raw], raw)
    except ParseError:
        return []
    values = (decode_optional(fields[name]) for name in names if name in fields)
    return [value for value in values if isinstance(value, str) and value]


def decode_optional(raw: msgspec.Raw) -> object:
    """Return the value, or None if it does not decode."""
    try:
        return msgspec.json.decode(raw)
    except _UNDECODABLE:
        return None


def decode_object(raw: bytes | msgspec.Raw) -> dict[str, object]:
    """Decode a JSON object of any content. Raises ParseError."""
    value = _decode(dict[str, object], raw)
    if not _is_shallow(value, _MAX_DEPTH):
        raise ParseError("nested too deeply")
    return value


def _is_shallow(value: object, levels: int) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    return not isinstance(value, list) or (levels > 0 and all(_is_shallow(item, levels - 1) for item in value))


@lru_cache(maxsize=256)
def parse_timestamp(timestamp: payloads.Timestamp) -> datetime:
    """Return Meta's timestamp: seconds as text or number, or milliseconds if large enough. Raises ParseError."""
    text = str(timestamp)
    if len(text) > _MAX_TIMESTAMP_LENGTH or not (text.isascii() and text.isdecimal()):
        raise ParseError("timestamp is not a number of seconds")
    seconds = int(text)
    if seconds >= _MIN_MILLISECONDS:
        seconds //= 1000
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise ParseError("timestamp is out of range") from None


def parse_optional_timestamp(timestamp: object) -> datetime | None:
    """Return the timestamp; None if it is malformed, since the rest of the part is still useful."""
    try:
        return parse_timestamp(timestamp) if isinstance(timestamp, int | str) else None
    except ParseError:
        return None


def _explain(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)

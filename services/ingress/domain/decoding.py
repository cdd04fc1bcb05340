"""Bytes to parts of a webhook; what does not decode says where and why, never what."""

import re
from collections.abc import Container, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import msgspec

from services.ingress.domain import webhook
from services.ingress.domain.findings import ProblemKind

# From here on a number cannot be seconds (the year 5138), so it is milliseconds.
_MILLISECONDS_FROM = 100_000_000_000
_LONGEST_TIMESTAMP = 20
# What was decoded has to be encoded again, a few levels further in.
_DEEPEST = 32

# Each escape in JSON: a pair of surrogates, half of one, or anything else.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_REPLACEMENT = rb"\ufffd"

P = TypeVar("P", bound=webhook.Part)
Dropped = Mapping[str, str]
_NONE_DROPPED: Dropped = {}
_DECODERS: dict[type[webhook.Part], msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(kind)
    for kind in (
        webhook.Webhook,
        webhook.Entry,
        webhook.Change,
        webhook.Value,
        webhook.Contact,
        webhook.WrittenMessage,
        webhook.Status,
        webhook.Preference,
    )
}
_any = msgspec.json.Decoder(dict[str, object])
_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Field(NamedTuple):
    """One field of a part, to be decoded on its own."""

    name: str
    key: str
    required: bool
    decoder: msgspec.json.Decoder[Any]


_FIELDS: dict[type[webhook.Part], tuple[_Field, ...]] = {
    kind: tuple(
        _Field(field.name, field.encode_name, field.required, msgspec.json.Decoder(field.type))
        for field in msgspec.structs.fields(kind)
    )
    for kind in (webhook.Value, webhook.Contact, webhook.WrittenMessage, webhook.Status, webhook.Preference)
}
_raws = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)
_encoder = msgspec.json.Encoder()


class NotUnderstood(ValueError):
    """A part that is not what it should be. The text holds no value of it."""

    kind = ProblemKind.BROKEN_PART


class UnknownField(NotUnderstood):
    """Well formed, but about something that we know nothing of."""

    kind = ProblemKind.UNKNOWN_FIELD


def read(kind: type[P], raw: bytes | msgspec.Raw) -> P:
    """The part. Raises NotUnderstood."""
    try:
        part: P = _DECODERS[kind].decode(raw)
    except _UNDECODABLE as error:
        raise NotUnderstood(_explain(error)) from None
    return part


def read_webhook(body: bytes) -> webhook.Webhook:
    """Return the whole, in which halves of surrogates are replaced: no part may sink others. Raises NotUnderstood."""
    try:
        return read(webhook.Webhook, body)
    except NotUnderstood:
        mended = _ESCAPE.sub(lambda found: _REPLACEMENT if found["half"] else found[0], body)
        if mended == body:
            raise
        return read(webhook.Webhook, mended)


def read_what_is_whole(kind: type[P], raw: bytes | msgspec.Raw) -> tuple[P, Dropped]:
    """Return the part without the fields that do not decode, and why each does not.

    Raises NotUnderstood if the part is nothing without them.
    """
    try:
        return _DECODERS[kind].decode(raw), _NONE_DROPPED
    except _UNDECODABLE as error:
        if kind not in _FIELDS:
            raise NotUnderstood(_explain(error)) from None
        return _read_fields(kind, raw)


def _read_fields(kind: type[P], raw: bytes | msgspec.Raw) -> tuple[P, Dropped]:
    values, dropped = {}, {}
    try:
        raws = _raws.decode(raw)
    except _UNDECODABLE as error:
        raise NotUnderstood(_explain(error)) from None
    for field in _FIELDS[kind]:
        if field.key in raws:
            try:
                values[field.name] = field.decoder.decode(raws[field.key])
            except _UNDECODABLE as error:
                if field.required:
                    raise NotUnderstood(f"{field.key}: {_explain(error)}") from None
                dropped[field.key] = _explain(error)
        elif field.required:
            raise NotUnderstood(f"Object missing required field `{field.key}`")
    part = kind(**values)
    for name in part.needed & dropped.keys():
        raise NotUnderstood(f"{name}: {dropped[name]}")
    return part, dropped


def cut_down(raw: bytes | msgspec.Raw, names: Container[str]) -> bytes:
    """Return the JSON of an object with these of its fields."""
    fields = _raws.decode(raw)
    return _encoder.encode({name: content for name, content in fields.items() if name in names})


def readable_texts(raw: bytes | msgspec.Raw, *names: str) -> list[str]:
    """Return those of the fields that are text, whatever else the part is."""
    try:
        fields = _raws.decode(raw)
    except _UNDECODABLE:
        return []
    return [text for name in names if (text := _text_or_none(fields.get(name)))]


def _text_or_none(raw: msgspec.Raw | None) -> str | None:
    try:
        return _text.decode(raw) if raw is not None else None
    except _UNDECODABLE:
        return None


def read_object(raw: bytes | msgspec.Raw) -> dict[str, object]:
    """A JSON object of any content. Raises NotUnderstood."""
    try:
        value = _any.decode(raw)
    except _UNDECODABLE as error:
        raise NotUnderstood(_explain(error)) from None
    if not _is_shallow(value, _DEEPEST):
        raise NotUnderstood("nested too deeply")
    return value


def _is_shallow(value: object, levels: int) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    return not isinstance(value, list) or (levels > 0 and all(_is_shallow(it, levels - 1) for it in value))


@lru_cache(maxsize=256)
def moment(timestamp: webhook.Timestamp) -> datetime:
    """Meta's seconds: text or a number, and milliseconds from some. Raises NotUnderstood."""
    text = str(timestamp)
    if len(text) > _LONGEST_TIMESTAMP or not (text.isascii() and text.isdecimal()):
        raise NotUnderstood("timestamp is not a number of seconds")
    seconds = int(text)
    if seconds >= _MILLISECONDS_FROM:
        seconds //= 1000
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise NotUnderstood("timestamp is out of range") from None


def moment_or_none(timestamp: object) -> datetime | None:
    """Meta's time where it is only a help, so whatever stands there is no reason to refuse the rest."""
    try:
        return moment(timestamp) if isinstance(timestamp, int | str) else None
    except NotUnderstood:
        return None


def _explain(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)

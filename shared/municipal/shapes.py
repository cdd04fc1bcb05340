"""What keeps decoded JSON from being a Struct of ours: every field at once, no value repeated."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from shared.contracts.events import Problem

MOMENT = "must be a date and time with an offset, such as 2026-11-13T18:00:00+01:00"

_NAMES = {
    "str": "a string",
    "int": "an integer",
    "float": "a number with decimals",
    "bool": "true or false",
    "array": "a list",
    "datetime": "a date and time",
}
_PATTERNS = {"https": "that begins with https:// and has no spaces", "A-Za-z0-9": "of letters, digits and . _ : -"}


def shape_problems(values: Mapping[str, Any], kind: type[Struct]) -> Iterator[Problem]:
    """Missing fields, wrong types, lengths and patterns."""
    for field in msgspec.structs.fields(kind):
        if field.encode_name not in values:
            if field.required:
                yield Problem(field=field.encode_name, problem="is missing")
            continue
        try:
            msgspec.convert(values[field.encode_name], field.type)
        except msgspec.ValidationError as error:
            yield Problem(field=field.encode_name, problem=_words(str(error)))


def _words(error: str) -> str:
    """What the decoder says, in words for somebody who writes JSON in any language."""
    if "datetime" in error and "got" not in error:
        return MOMENT
    plain = error.replace("`", "").replace("Expected", "must be").replace(", got ", ", not ")
    for theirs, ours in _NAMES.items():
        plain = re.sub(rf"\b{theirs}\b", ours, plain)
    for pattern, words in _PATTERNS.items():
        plain = re.sub(f"matching regex .*{re.escape(pattern)}.*'", words, plain)
    return plain.replace(" | ", " or ")

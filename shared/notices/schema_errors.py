"""Schema errors of decoded JSON: of all fields at once, without repeating values."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

import msgspec
from msgspec import Struct

from shared.contracts.events import Problem

MOMENT = "must be a date and time, such as 2026-11-13T18:00:00+01:00 (without an offset it is in Europe/Berlin)"

_NAMES = {
    "str": "a string",
    "int": "an integer",
    "float": "a number with decimals",
    "bool": "true or false",
    "array": "a list",
    "datetime": "a date and time",
}
MAX_UNKNOWN_FIELDS = 20
# The only client input that may be repeated: plausible field names.
_FIELD_NAME = re.compile(r"[^\W\d][\w-]{0,39}")
_PATTERNS = {
    "https?": "that begins with http:// or https://",
    "https": "that begins with https:// and has no spaces",
    "A-Za-z0-9": "of letters, digits and . _ : -",
    "[mhd]": "such as 15m, 12h or 2d",
}


def find_schema_errors(values: Mapping[str, Any], struct: type[Struct]) -> Iterator[Problem]:
    """Yield missing fields and wrong types, lengths and patterns."""
    with suppress(msgspec.ValidationError):
        msgspec.convert(values, struct)
        return  # the usual case: checking field by field takes a hundred times as long
    for field in msgspec.structs.fields(struct):
        if field.encode_name not in values:
            if field.required:
                yield Problem(field=field.encode_name, problem="is missing")
            continue
        try:
            msgspec.convert(values[field.encode_name], field.type)
        except msgspec.ValidationError as error:
            yield Problem(field=field.encode_name, problem=explain_schema_error(str(error)))


def report_unknown_fields(names: Sequence[str], known: Sequence[str], hints: Mapping[str, str]) -> Iterator[Problem]:
    """Yield each unknown field, with the `known` field that it may stand for; `hints` has suggestions for some."""
    reported = [name for name in names if _FIELD_NAME.fullmatch(name)][:MAX_UNKNOWN_FIELDS]
    for name in reported:
        similar = get_close_matches(name.lower(), known, n=1, cutoff=0.72)  # "reason" is less like "revision"
        suggestion = f'"{similar[0]}"' if similar else hints.get(name)
        advice = f"do you mean {suggestion}?" if suggestion else f"there are {', '.join(known)}"
        yield Problem(field=name, problem=f"is unknown; {advice}")
    if rest := len(names) - len(reported):
        yield Problem(field="data", problem=f"has {rest} {'more ' if reported else ''}unknown fields")


def explain_schema_error(error: str) -> str:
    """Return the decoder's message without Python's terms."""
    if "datetime" in error and "got" not in error:
        return MOMENT
    plain = error.replace("`", "").replace("Expected", "must be").replace(", got ", ", not ")
    for type_name, description in _NAMES.items():
        plain = re.sub(rf"\b{type_name}\b", description, plain)
    for pattern, description in _PATTERNS.items():
        plain = re.sub(f"matching regex '.*{re.escape(pattern)}.*'", description, plain)
    plain = re.sub(r"a string of length <= (\d+)", r"a string of at most \1 characters", plain)
    return plain.replace(" | ", " or ")

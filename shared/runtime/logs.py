"""JSON logs, one line per event, with redaction of personal data before anything is written."""

import binascii
import logging
import re
import sys
from collections.abc import MutableMapping
from math import inf
from typing import Any

import msgspec
import structlog
from structlog.stdlib import ProcessorFormatter

from shared.contracts.text import strip_controls

_PERSONAL = re.compile(
    r"""wamid\.[A-Za-z0-9+/=_-]+            # message ids contain the sender's number
      | \b[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{10,} # business-scoped user ids
      | (?P<uuid>\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b)
      | (?<![0-9A-Fa-f-])\+?\d{8,}(?![0-9A-Fa-f-])  # phone numbers; not parts of hexadecimal ids
      | (?<![0-9A-Fa-f-])(?![0-9A-Fa-f]{20})\d{8,}(?=[A-Fa-f])  # the same before letters; hexadecimal ids are longer
      | (?<![0-9A-Za-z.-])  # the same as people write them; with dots, not addresses, dates, versions and amounts
        (?:(?:\+|0|49|1[5-7]\d)(?:[ \xa0()/–-]{0,3}\d){7,}
          |(?:\+\d|0\d\d|49(?=\.\d+\.\d{4}))(?:[ \xa0()/.–-]{0,3}\d){6,})
        (?![0-9A-Fa-f-])
    """,
    re.VERBOSE,
)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{11,}")
_NUMBER = re.compile(rb"\d{8,}")
_MASK = "[redacted]"
MIN_REDACTED_NUMBER = 100_000_000
_URL_SAFE = str.maketrans("-_", "+/")
_EXEMPT = frozenset({"timestamp", "level"})


def redact(value: object) -> object:
    """Redact everything that looks like a phone number, user id or wamid, at any depth.

    Numbers of nine digits or more count as phone numbers, and base64 is searched for numbers. Values that are not plain
    JSON (such as exceptions) become text first, since rendering would do that too late. Control characters are removed.
    """
    if isinstance(value, dict):
        return {redact(key): redact(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item) for item in value]
    if isinstance(value, int | float) and MIN_REDACTED_NUMBER <= abs(value) < inf:
        return _MASK
    if value is None or isinstance(value, bool | int | float):
        return value
    return _BASE64.sub(_mask_encoded, _PERSONAL.sub(_mask, strip_controls(str(value))))


def _mask(match: re.Match[str]) -> str:
    return match[0] if match["uuid"] else _MASK


def _mask_encoded(match: re.Match[str]) -> str:
    """Mask base64 with a number inside; try all four offsets, since preceding text may look like base64, too."""
    text = match[0].translate(_URL_SAFE)
    for start in range(4):
        groups = text[start : start + (len(text) - start) // 4 * 4]
        rest = text[start + len(groups) :]
        decoded = binascii.a2b_base64(groups + (rest.ljust(4, "A") if len(rest) > 1 else ""))
        if _NUMBER.search(decoded):
            return _MASK
    return match[0]


def _redact_event(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if key not in _EXEMPT:
            event[key] = redact(value)
    return event


def _render(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    return msgspec.json.encode(dict(event), enc_hook=str).decode()


_CHAIN: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    _redact_event,
]


def configure_logs(*, service: str, level: str) -> None:
    """Write all logs of this process to stderr as JSON lines; third-party logs from WARNING up."""
    minimum = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*_CHAIN, _render],
        wrapper_class=structlog.make_filtering_bound_logger(minimum),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(foreign_pre_chain=_CHAIN, processors=[ProcessorFormatter.remove_processors_meta, _render])
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)

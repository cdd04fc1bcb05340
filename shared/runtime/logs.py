"""JSON logs, one line an event, with a net that catches personal data before it is written."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import msgspec
import structlog

_PERSONAL = re.compile(
    r"""wamid\.[A-Za-z0-9+/=_-]+            # message ids contain the sender's number
      | \b[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{10,} # business-scoped user ids
      | (?<![0-9A-Fa-f-])\+?\d{8,}(?![0-9A-Fa-f-])  # phone numbers; not parts of hexadecimal ids
    """,
    re.VERBOSE,
)
_EXEMPT = frozenset({"timestamp", "level"})


def redact(value: object) -> object:
    """The value with everything that looks like a number, user id or wamid replaced, at any depth.

    What is no plain JSON (an exception, say) becomes text first, since rendering would do that too late.
    """
    if isinstance(value, dict):
        return {redact(key): redact(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _PERSONAL.sub("[redacted]", str(value))


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
    """All logs of this process as JSON lines on stderr; third parties' from WARNING on."""
    minimum = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*_CHAIN, _render],
        wrapper_class=structlog.make_filtering_bound_logger(minimum),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_CHAIN, processors=[_drop, _render]))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def _drop(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in ("_record", "_from_structlog"):
        event.pop(key, None)
    return event

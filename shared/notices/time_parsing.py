"""Parsing of times and durations as people type them."""

import re
from contextlib import suppress
from datetime import datetime, timedelta

from shared.contracts.hours import LOCAL_ZONE
from shared.notices.cloudevents import attach_local_zone

_DURATION = re.compile(r"(\d{1,5})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def parse_duration(text: str) -> timedelta:
    """Parse `30m`, `12h` or `2d`. Raises ValueError."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise ValueError("expected a number and m, h or d, such as 12h")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def parse_moment(text: str) -> datetime:
    """Parse date and time in ISO 8601, in Europe/Berlin without an offset. Raises ValueError."""
    plain = text.strip()
    if len(plain) > len("2026-11-30"):  # a date alone could mean its beginning or its end
        with suppress(ValueError, OverflowError):
            return attach_local_zone(datetime.fromisoformat(plain)).astimezone(LOCAL_ZONE)
    raise ValueError("expected date and time, such as 2026-11-30T18:00")

"""Conversion of command-line options to the event to publish."""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

import typer

from shared.contracts.envelope import encode
from shared.contracts.notices import NoticePublished, NoticeUpdated, NoticeWithdrawn
from shared.notices.time_parsing import parse_duration, parse_moment

T = TypeVar("T")
DEFAULT_DURATION = timedelta(hours=24)


def build_event(
    message: NoticePublished | NoticeUpdated | NoticeWithdrawn,
    notice: str,
    source: str,
    now: datetime,
    expiry: datetime | None = None,
) -> bytes:
    """Return the encoded event."""
    return encode(message, event_id=str(uuid4()), source=source, time=now, subject=notice, expirytime=expiry)


def build_message(content: dict[str, Any], revision: int) -> NoticePublished | NoticeUpdated:
    """Return the publication of a first revision, or the update to a later one."""
    return NoticePublished(**content) if revision == 1 else NoticeUpdated(**content, revision=revision)


def generate_notice_id(now: datetime) -> str:
    """Return a notice id that sorts by time and is easy to say."""
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def _parse(name: str, parse: Callable[[str], T], text: str | None) -> T | None:
    try:
        return None if text is None else parse(text)
    except ValueError as error:
        raise typer.BadParameter(f"{name}: {error}") from None


def parse_scheduled_at(moment: str | None) -> datetime | None:
    """Return the time of the start; raise BadParameter if it is invalid."""
    return _parse("scheduled", parse_moment, moment)


def parse_expiry(now: datetime, expires_in: str | None, expires_at: str | None) -> datetime:
    """Return the time of the expiry; raise BadParameter if it is invalid or both options are given."""
    if expires_in is not None and expires_at is not None:
        raise typer.BadParameter("give --expires-in or --expires-at, not both")
    duration = _parse("expiry", parse_duration, expires_in) or DEFAULT_DURATION
    return _parse("expiry", parse_moment, expires_at) or now + duration


def parse_spread(spread: str | None) -> int | None:
    """Return the minutes to spread the messages over; raise BadParameter if invalid."""
    duration = _parse("spread", parse_duration, spread)
    return None if duration is None else int(duration.total_seconds() // 60)

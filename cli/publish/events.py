"""The events to publish: from options of the command line, or from a file."""

import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
import typer

from cli.output import Exit, fail
from shared.contracts.envelope import encode
from shared.contracts.message import Message
from shared.contracts.notices import NoticePublished
from shared.notices.cloudevents import UnreadableEvent, decode_json
from shared.notices.time_parsing import parse_duration, parse_moment

MAX_BYTES = 5_000_000
DEFAULT_DURATION = timedelta(hours=24)
T = TypeVar("T")


def build_event(message: Message, notice: str, source: str, now: datetime, expiry: datetime | None = None) -> bytes:
    """Return the event; raise BadParameter if a text was typed or passed on in another encoding."""
    try:
        return encode(message, event_id=str(uuid4()), source=source, time=now, subject=notice, expirytime=expiry)
    except UnicodeEncodeError:
        raise typer.BadParameter("a text is not in UTF-8") from None


def parse_option(name: str, parse: Callable[[str], T], text: str | None) -> T | None:
    """Return the value of an option, None if it was not given; raise BadParameter if it is invalid."""
    try:
        return None if text is None else parse(text)
    except ValueError as error:
        raise typer.BadParameter(f"{name}: {error}") from None


def parse_expiry(now: datetime, expires_in: str | None, expires_at: str | None) -> datetime:
    """Return the time of the expiry; raise BadParameter if it is invalid or both options are given."""
    if expires_in is not None and expires_at is not None:
        raise typer.BadParameter("give --expires-in or --expires-at, not both")
    duration = parse_option("expiry", parse_duration, expires_in) or DEFAULT_DURATION
    return parse_option("expiry", parse_moment, expires_at) or now + duration


def parse_spread(spread: str | None) -> int | None:
    """Return the minutes to spread the messages over; raise BadParameter if invalid."""
    duration = parse_option("spread", parse_duration, spread)
    return None if duration is None else int(duration.total_seconds() // 60)


def read_events(name: str, *, source: str, now: datetime) -> list[bytes]:
    """Read one CloudEvent or a list of them and add defaults. Ends the command if it is not JSON."""
    try:
        content = decode_json(sys.stdin.buffer.read(MAX_BYTES + 1) if name == "-" else Path(name).read_bytes())
    except OSError as error:
        fail(f"{name}: {error.strerror}", status=Exit.USAGE)
    except UnreadableEvent as error:
        fail(f"{name}: {error.problems[0].problem}", status=Exit.USAGE)
    events = content if isinstance(content, list) else [content]
    if not events or not all(isinstance(event, dict) for event in events):
        fail(f"{name}: expected a CloudEvent, or a list of them", status=Exit.USAGE)
    return [msgspec.json.encode(_fill_defaults(event, source, now)) for event in events]


def _fill_defaults(event: Mapping[str, Any], source: str, now: datetime) -> dict[str, Any]:
    defaults = {"specversion": "1.0", "id": str(uuid4()), "source": source, "type": NoticePublished.TYPE}
    return {**defaults, "time": now.isoformat(), "datacontenttype": "application/json", **event}


def read_attribute(body: bytes, name: str) -> str:
    """Return an attribute of an event, which may be incomplete; empty if it has none."""
    value = msgspec.json.decode(body, type=dict[str, Any]).get(name)
    return value if isinstance(value, str) else ""


def read_followed(body: bytes) -> str | None:
    """Return the notice that the event follows, if any."""
    data = msgspec.json.decode(body, type=dict[str, Any]).get("data")
    followed = data.get("follows") if isinstance(data, dict) else None
    return followed if isinstance(followed, str) else None

"""Events from a file, and what is wrong with them, before anything is sent."""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from cli.output import EXIT_USAGE, fail, say
from cli.publish.settings import Settings
from shared.contracts.events import Problem
from shared.municipal.checking import check
from shared.municipal.configuration import Configuration
from shared.municipal.file import ConfigurationFileError, read_configuration
from shared.municipal.reading import Unreadable, decode_json

MOST_BYTES = 5_000_000
PUBLISHED = "de.kreisfunk.notice.published.v1"


def read_events(name: str, *, source: str, now: datetime) -> list[bytes]:
    """One CloudEvent or a list of them; what a person need not write is added. Ends the command if it is no JSON."""
    try:
        body = sys.stdin.buffer.read(MOST_BYTES + 1) if name == "-" else Path(name).read_bytes()
        found = decode_json(body)
    except OSError as error:
        fail(f"{name}: {error.strerror}", status=EXIT_USAGE)
    except Unreadable as error:
        fail(f"{name}: {error.problems[0].problem}", status=EXIT_USAGE)
    events = found if isinstance(found, list) else [found]
    if not events or not all(isinstance(event, dict) for event in events):
        fail(f"{name}: expected a CloudEvent, or a list of them", status=EXIT_USAGE)
    return [msgspec.json.encode(_completed(event, source, now)) for event in events]


def _completed(event: Mapping[str, Any], source: str, now: datetime) -> dict[str, Any]:
    usual = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": source,
        "type": PUBLISHED,
        "time": now.isoformat(),
        "datacontenttype": "application/json",
    }
    return {**usual, **event}


def problems_of(event: bytes, settings: Settings, now: datetime) -> tuple[Problem, ...]:
    """By the rules that every door has. Ends the command if the county's file cannot be read."""
    try:
        county = read_configuration(settings.county, Configuration)
    except ConfigurationFileError as error:
        fail(str(error), status=EXIT_USAGE)
    return check(event, county.system(settings.login), county, now)


def show_check(found: Sequence[tuple[Problem, ...]], *, as_json: bool) -> bool:
    """Say of each event what is wrong, if anything is. Nothing was sent.

    For scripts it looks like a rejection by Kreisfunk; of several events, each problem names its one, from 0.
    """
    if as_json:
        say(msgspec.json.encode({"result": "rejected" if any(found) else "valid", "problems": _flat(found)}).decode())
    for number, problems in enumerate(found if not as_json else (), 1):
        say(f"event {number}: {'valid; nothing was sent' if not problems else 'would be rejected'}")
        for problem in problems:
            say(f"  {problem.field}: {problem.problem}")
    return not any(found)


def _flat(found: Sequence[tuple[Problem, ...]]) -> list[dict[str, Any]]:
    several = len(found) > 1
    return [
        {**msgspec.to_builtins(problem), **({"event": number} if several else {})}
        for number, problems in enumerate(found)
        for problem in problems
    ]

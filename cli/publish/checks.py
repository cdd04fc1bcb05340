"""Events from a file, and their validation before anything is sent."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from cli.output import EXIT_NO_EFFECT, EXIT_REJECTED, EXIT_USAGE, fail, print_result
from cli.publish.results import format_figures, has_no_effect
from cli.settings import AmqpPublisherSettings, read_county
from services.ingress.notices.validation import NOT_CHECKED
from shared.contracts.events import NoticeChecked, Problem
from shared.notices.cloudevents import LOCAL_ZONE, UnreadableEvent, decode_json
from shared.notices.rules import validate_event

MAX_BYTES = 5_000_000
PUBLISHED_TYPE = "de.kreisfunk.notice.published.v1"


def read_events(name: str, *, source: str, now: datetime) -> list[bytes]:
    """Read one CloudEvent or a list of them and add defaults. Ends the command if it is not JSON."""
    try:
        body = sys.stdin.buffer.read(MAX_BYTES + 1) if name == "-" else Path(name).read_bytes()
        found = decode_json(body)
    except OSError as error:
        fail(f"{name}: {error.strerror}", status=EXIT_USAGE)
    except UnreadableEvent as error:
        fail(f"{name}: {error.problems[0].problem}", status=EXIT_USAGE)
    events = found if isinstance(found, list) else [found]
    if not events or not all(isinstance(event, dict) for event in events):
        fail(f"{name}: expected a CloudEvent, or a list of them", status=EXIT_USAGE)
    return [msgspec.json.encode(_fill_defaults(event, source, now)) for event in events]


def _fill_defaults(event: Mapping[str, Any], source: str, now: datetime) -> dict[str, Any]:
    usual = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": source,
        "type": PUBLISHED_TYPE,
        "time": now.isoformat(),
        "datacontenttype": "application/json",
    }
    return {**usual, **event}


def find_problems(event: bytes, settings: AmqpPublisherSettings, now: datetime) -> tuple[Problem, ...]:
    """Validate by the rules that both interfaces apply. Ends the command if the county's file cannot be read."""
    county = read_county(settings.county)
    return validate_event(event, county.find_system(settings.login), county, now)


@dataclass(frozen=True, kw_only=True)
class CheckedEvent:
    """An event with its problems, or else the expected result if the services answered."""

    body: bytes
    problems: tuple[Problem, ...] = ()
    expected: NoticeChecked | None = None
    expires_at: datetime | None = None

    @property
    def lines(self) -> list[str]:
        if self.problems:
            return [f"  {problem.field}: {problem.problem}" for problem in self.problems]
        if self.expected is None:
            return [f"  {NOT_CHECKED}"]
        expiry = self.expires_at
        ends = [f"expires {expiry.astimezone(LOCAL_ZONE).isoformat(timespec='seconds')}"] if expiry else []
        figures = ", ".join((*format_figures(self.expected), *ends))
        return [f"  {line}" for line in (figures, *self.expected.blockers) if line]


def print_check(found: Sequence[CheckedEvent], *, as_json: bool) -> int:
    """Print the problems or the expected result of each event, and return the exit status. Nothing was sent.

    The JSON looks like a rejection by Kreisfunk; of several events, each problem has the index of its event, from 0.
    """
    rejected = any(event.problems for event in found)
    told = {
        "result": "rejected" if rejected else "valid",
        "problems": _flatten_problems(found),
        "expected": [event.expected for event in found],
    }
    print_result(told, "\n".join(_format_events(found)), json=as_json)
    if rejected:
        return EXIT_REJECTED
    return EXIT_NO_EFFECT if any(event.expected and has_no_effect(event.expected) for event in found) else 0


def _format_events(found: Sequence[CheckedEvent]) -> Iterator[str]:
    for number, event in enumerate(found, 1):
        yield f"event {number}: {'would be rejected' if event.problems else 'valid; nothing was sent'}"
        yield from event.lines


def _flatten_problems(found: Sequence[CheckedEvent]) -> list[dict[str, Any]]:
    several = len(found) > 1
    return [
        {**msgspec.to_builtins(problem), **({"event": number} if several else {})}
        for number, event in enumerate(found)
        for problem in event.problems
    ]

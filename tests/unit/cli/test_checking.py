"""Output of a check, for a script."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cli.publish.results import CheckedEvent, print_check
from shared.contracts.events import Problem
from shared.contracts.notices_http import CheckResult

TOPIC, TEXT = Problem(field="topic", problem="unknown"), Problem(field="text", problem="is blank")
BOTH = [{"field": "topic", "problem": "unknown"}, {"field": "text", "problem": "is blank"}]


@pytest.mark.parametrize(
    ("found", "result", "problems"),
    [
        ([()], "valid", []),
        ([(TOPIC, TEXT)], "rejected", BOTH),
        ([(), (TOPIC,)], "rejected", [{"field": "topic", "problem": "unknown", "event": 1}]),
    ],
)
def test_it_looks_like_a_rejection_and_names_the_event_of_several(
    found: list[tuple[Problem, ...]], result: str, problems: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    events = [CheckedEvent(body=b"{}", problems=each) for each in found]
    assert print_check(events, as_json=True) == (0 if result == "valid" else 3)
    told = json.loads(capsys.readouterr().out)
    assert told == {"result": result, "problems": problems, "expected": [None] * len(found)}


BODY = b'{"specversion": "1.0", "id": "e", "source": "", "type": "t"}'
ENDS = datetime(2026, 11, 30, 17, tzinfo=UTC)


def expect(**given: Any) -> CheckResult:
    return CheckResult(event="/events/1", source="/x", id="e", notice="n", action="publish", expires_at=ENDS, **given)


@pytest.mark.parametrize(
    ("expected", "status", "lines"),
    [
        (
            expect(revision=1, audience=6_000, costs={"utility": "273.60"}),
            0,
            ["  6000 people, 273.60 euros (utility), expires 2026-11-30 18:00:00+01:00"],
        ),
        (
            expect(audience=0, begins_at=ENDS, blockers=("nobody has subscribed to this",)),
            6,
            [
                "  0 people, begins 2026-11-30 18:00:00+01:00, expires 2026-11-30 18:00:00+01:00",
                "  nobody has subscribed to this",
            ],
        ),
    ],
)
def test_what_is_expected_is_told_with_the_offset_of_berlin(
    expected: CheckResult, status: int, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert print_check([CheckedEvent(body=BODY, expected=expected)], as_json=False) == status
    assert capsys.readouterr().out.splitlines() == ["event 1: valid; nothing was sent", *lines]

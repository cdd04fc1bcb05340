"""Output of a check, for a script."""

import json

import pytest

from cli.publish.results import CheckedEvent, print_check
from shared.contracts.events import Problem

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

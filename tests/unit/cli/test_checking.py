"""What a check says to a script."""

import json

import pytest

from cli.publish.checking import show_check
from shared.contracts.events import Problem

TOPIC, TEXT = Problem(field="topic", problem="unknown"), Problem(field="text", problem="is blank")
BOTH = [{"field": "topic", "problem": "unknown"}, {"field": "text", "problem": "is blank"}]


@pytest.mark.parametrize(
    ("found", "result", "problems"),
    [
        ([()], "valid", []),
        (
            [(TOPIC, TEXT)],
            "rejected",
            [{"field": "topic", "problem": "unknown"}, {"field": "text", "problem": "is blank"}],
        ),
        ([(), (TOPIC,)], "rejected", [{"field": "topic", "problem": "unknown", "event": 1}]),
    ],
)
def test_it_looks_like_a_rejection_and_names_the_event_of_several(
    found: list[tuple[Problem, ...]], result: str, problems: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert show_check(found, as_json=True) == (result == "valid")
    assert json.loads(capsys.readouterr().out) == {"result": result, "problems": problems}

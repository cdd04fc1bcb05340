"""Output about a notice, for a person or a script."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from cli.options import ANSWER_TIMEOUT_SECONDS
from cli.publish.results import build_json, format_text, report
from services.subscriptions.handlers.notices import EARLY_DELAYS_SECONDS
from shared.contracts.events import NoticeAction, Problem
from shared.contracts.notices_http import EventProgress, EventState

BROADCAST = UUID("018f0000-0000-8000-8000-000000000001")
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
PUBLISHED = EventProgress(event="/events/1", source="/x", id="e", notice="n", state=EventState.RECEIVED, changed_at=NOW)
ACCEPTED = msgspec.structs.replace(
    PUBLISHED, state=EventState.ACCEPTED, action=NoticeAction.PUBLISHED, revision=1, broadcast=BROADCAST
)
REJECTED = msgspec.structs.replace(
    PUBLISHED, state=EventState.REJECTED, problems=(Problem(field="topic", problem="unknown"),)
)
WITHDRAWN = msgspec.structs.replace(PUBLISHED, state=EventState.DONE, action=NoticeAction.WITHDRAWN, revision=2)


def test_a_script_reads_the_result() -> None:
    answers = (ACCEPTED, REJECTED, WITHDRAWN, PUBLISHED)
    results = [build_json(answer)["result"] for answer in answers]
    assert results == ["accepted", "rejected", "withdrawn", "published"]
    assert [(build_json(answer)["event"], build_json(answer)["notice"]) for answer in answers] == [("e", "n")] * 4
    assert build_json(ACCEPTED)["broadcast"] == str(BROADCAST)


NOBODY = msgspec.structs.replace(ACCEPTED, audience=0, blockers=("nobody has subscribed to this",))
UNKNOWN = msgspec.structs.replace(WITHDRAWN, revision=0, blockers=("no notice is known",))


@pytest.mark.parametrize(
    ("answer", "text", "result"),
    [
        (NOBODY, f"{format_text(ACCEPTED)}, 0 people\n  nobody has subscribed to this\n", "accepted"),
        (UNKNOWN, "not withdrawn: notice n\n  no notice is known\n", "unknown"),
    ],
)
def test_what_has_no_effect_says_so_and_has_a_status_of_its_own(
    answer: EventProgress, text: str, result: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(answer, as_json=False) == 6
    assert capsys.readouterr().out == text
    assert build_json(answer)["result"] == result


def test_what_is_expected_is_told_with_the_answer() -> None:
    begins = datetime(2026, 11, 30, 17, tzinfo=UTC)
    planned = msgspec.structs.replace(
        ACCEPTED, audience=6_000, costs={"utility": "273.60"}, duration_seconds=75, scheduled_at=begins
    )
    expected = "6000 people, 273.60 euros (utility), about 75 s, begins 2026-11-30 18:00:00+01:00"
    assert format_text(planned) == f"{format_text(ACCEPTED)}, {expected}"


def test_commands_wait_longer_than_an_event_about_an_unknown_notice_does() -> None:
    assert sum(EARLY_DELAYS_SECONDS.values()) + 10 < ANSWER_TIMEOUT_SECONDS

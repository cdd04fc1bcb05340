"""What a person or a script reads about a notice."""

import json
from uuid import UUID

import pytest
import typer

from cli.publish.answers import as_object, as_text, report
from shared.contracts.events import BroadcastCancelled, NoticeAccepted, NoticeRejected, Problem

BROADCAST = UUID("018f0000-0000-8000-8000-000000000001")
ACCEPTED = NoticeAccepted(source="/x", event="e", notice="n", revision=1, broadcast=BROADCAST)
REJECTED = NoticeRejected(source="/x", event="e", problems=(Problem(field="topic", problem="unknown"),))
CANCELLED = BroadcastCancelled(broadcast=BROADCAST, source="/x", notice="n", reason="over")


def test_a_person_reads_one_line_and_every_problem() -> None:
    assert as_text(ACCEPTED, "n") == f"accepted: notice n revision 1, broadcast {BROADCAST}"
    assert as_text(REJECTED, "n") == "rejected: notice n\n  topic: unknown"
    assert as_text(CANCELLED, "n") == f"withdrawn: notice n, broadcast {BROADCAST}"
    assert as_text(None, "n") == "published: notice n"


def test_a_script_reads_the_result() -> None:
    answers = (ACCEPTED, REJECTED, CANCELLED, None)
    results = [as_object(answer, "n")["result"] for answer in answers]
    assert results == ["accepted", "rejected", "withdrawn", "published"]
    assert [as_object(answer, "n")["notice"] for answer in answers] == ["n"] * 4


def test_a_rejection_ends_with_its_own_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        report(REJECTED, "n", as_json=True)
    assert ended.value.exit_code == 3
    assert json.loads(capsys.readouterr().out)["problems"] == [{"field": "topic", "problem": "unknown"}]

"""Published events wait in the folder for their answer, rejected ones for a person."""

import os
from pathlib import Path

import msgspec

from services.feeds.folder import StateFolder, list_files
from shared.contracts.events import Problem
from tests.factories.feeds import build_sent_event

PROBLEMS = (Problem(field="quota", problem="is used up"),)


def test_an_event_waits_until_it_is_answered(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.save_sent("presse", build_sent_event("presse-1:1"))
    assert ([sent.origin for sent in folder.list_unanswered()], folder.is_unanswered("presse-1:1")) == (
        ["presse"],
        True,
    )
    folder.mark_answered("presse-1:1")
    folder.mark_answered("presse-1:1")
    assert (folder.list_unanswered(), folder.list_refused()) == ([], {})


def test_what_is_rejected_moves_with_its_reasons_once(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.save_sent("presse", build_sent_event("presse-1:1"))
    assert folder.mark_rejected("presse-1:1", PROBLEMS) == "presse"
    assert folder.mark_rejected("presse-1:1", PROBLEMS) is None
    ((name, refused),) = folder.list_refused().items()
    assert (name, refused.problems, refused.origin) == ("presse-1.1", PROBLEMS, "presse")
    assert msgspec.json.decode(folder.find_event(name) or b"") == msgspec.json.decode(build_sent_event("presse-1:1"))
    folder.drop(name)
    assert (folder.list_refused(), folder.find_event(name)) == ({}, None)


def test_a_refused_event_that_is_published_again_stays_until_it_is_answered(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.save_draft(build_sent_event("presse-1:1"))
    folder.save_refused(build_sent_event("presse-1:1"), PROBLEMS, "presse")
    folder.save_sent("drafts", build_sent_event("presse-1:1"))
    folder.remove_draft("presse-1.1")
    assert (list_files(folder.drafts), folder.is_refused("presse-1:1")) == ([], True)
    folder.mark_answered("presse-1:1")
    assert not folder.is_refused("presse-1:1")


def test_an_id_of_others_leads_nowhere(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    for identifier in ("../../etc/passwd", "/etc/passwd", "x" * 200, "ü/🚧"):
        folder.save_sent("presse", build_sent_event(identifier))
        assert folder.is_unanswered(identifier)
    assert folder.list_unanswered()
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    assert folder.find_event("../memory/presse") is None


def test_what_somebody_has_damaged_is_left_out(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.save_sent("presse", build_sent_event("a"))
    folder.save_refused(build_sent_event("b"), PROBLEMS, "presse")
    for path in (*list_files(tmp_path / "sent"), *list_files(folder.refused)):
        path.write_text("{")
    assert (folder.list_unanswered(), folder.list_refused(), folder.find_event("b")) == ([], {}, None)


def test_what_nobody_answers_is_forgotten(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    for number, name in enumerate(("old", "new")):
        folder.save_sent("presse", build_sent_event(name))
        os.utime(tmp_path / "sent" / f"{name}.json", (1000 * number, 1000 * number))
    folder.purge_sent(500)
    assert (folder.is_unanswered("old"), folder.is_unanswered("new")) == (False, True)

"""Published events wait in the folder for their answer, rejected ones for a person."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.feeds.folder import StateFolder, list_files
from services.feeds.state import NoticeStatus
from shared.contracts.events import Problem
from tests.factories.feeds import NOW, build_sent_event

PROBLEMS = (Problem(field="quota", problem="is used up"),)
EVENT = build_sent_event("presse-1:1")


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "state")


def read_draft(path: Path) -> dict[str, Any]:
    draft: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    return draft


def test_an_event_waits_until_it_is_answered(folder: StateFolder) -> None:
    folder.save_sent("presse", EVENT)
    assert [sent.origin for sent in folder.list_unanswered()] == ["presse"]
    assert folder.is_unanswered("presse-1:1")
    folder.mark_answered("presse-1:1")
    folder.mark_answered("presse-1:1")
    assert (folder.list_unanswered(), folder.list_refused()) == ([], {})


def test_what_is_rejected_moves_with_its_reasons_once(folder: StateFolder) -> None:
    folder.save_sent("presse", EVENT)
    assert folder.mark_rejected("presse-1:1", PROBLEMS) == "presse"
    assert folder.mark_rejected("presse-1:1", PROBLEMS) is None
    ((name, refused),) = folder.list_refused().items()
    assert (name, refused.problems, refused.origin) == ("presse-1.1", PROBLEMS, "presse")
    assert msgspec.json.decode(folder.find_event(name) or b"") == msgspec.json.decode(EVENT)
    folder.drop(name)
    assert (folder.list_refused(), folder.find_event(name)) == ({}, None)


def test_a_refused_event_that_is_published_again_stays_until_it_is_answered(folder: StateFolder) -> None:
    folder.save_draft(EVENT)
    folder.save_refused(EVENT, PROBLEMS, "presse")
    folder.save_sent("drafts", EVENT)
    folder.remove_draft("presse-1.1")
    assert (list_files(folder.drafts), folder.is_refused("presse-1:1")) == ([], True)
    folder.mark_answered("presse-1:1")
    assert not folder.is_refused("presse-1:1")


def test_an_id_of_others_leads_nowhere(folder: StateFolder) -> None:
    for identifier in ("../../etc/passwd", "/etc/passwd", "x" * 200, "ü/🚧"):
        folder.save_sent("presse", build_sent_event(identifier))
        assert folder.is_unanswered(identifier)
    assert folder.list_unanswered()
    assert [path.name for path in folder.path.parent.iterdir()] == ["state"]
    assert folder.find_event("../memory/presse") is None


def test_what_somebody_has_damaged_is_left_out(folder: StateFolder) -> None:
    folder.save_sent("presse", build_sent_event("a"))
    folder.save_refused(build_sent_event("b"), PROBLEMS, "presse")
    for path in (*list_files(folder.path / "sent"), *list_files(folder.refused)):
        path.write_text("{")
    assert (folder.list_unanswered(), folder.list_refused(), folder.find_event("b")) == ([], {}, None)


def test_what_nobody_answers_is_forgotten(folder: StateFolder) -> None:
    for number, name in enumerate(("old", "new")):
        folder.save_sent("presse", build_sent_event(name))
        os.utime(folder.path / "sent" / f"{name}.json", (1000 * number, 1000 * number))
    folder.purge_sent(500)
    assert (folder.is_unanswered("old"), folder.is_unanswered("new")) == (False, True)


STEPS: Mapping[str, Callable[[StateFolder], object]] = {
    "draft": lambda folder: folder.save_draft(EVENT),
    "published": lambda folder: folder.save_sent("presse", EVENT),
    "accepted": lambda folder: folder.mark_answered("presse-1:1"),
    "rejected": lambda folder: folder.mark_rejected("presse-1:1", PROBLEMS),
    "dropped": lambda folder: folder.drop("presse-1.1"),
    "removed": lambda folder: folder.remove("presse-1.1"),
}


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        (["published"], NoticeStatus.SENT),
        (["published", "rejected"], NoticeStatus.REJECTED),
        (["published", "rejected", "dropped"], NoticeStatus.REJECTED),
        (["published", "rejected", "dropped", "published", "accepted"], NoticeStatus.SENT),
        (["draft"], NoticeStatus.UNSENT),
        (["draft", "dropped"], NoticeStatus.UNSENT),
        (["draft", "published", "dropped"], NoticeStatus.SENT),
        (["draft", "published", "dropped", "accepted"], NoticeStatus.SENT),
        (["draft", "published", "accepted", "removed"], NoticeStatus.SENT),
    ],
    ids=str,
)
def test_a_notice_has_the_status_of_its_first_revision(
    steps: Sequence[str], status: NoticeStatus, folder: StateFolder
) -> None:
    for step in steps:
        STEPS[step](folder)
    assert folder.find_status("presse-1", NOW) is status
    assert bool(list_files(folder.drafts)) == (steps[-1] == "draft")


def test_a_rejected_update_leaves_its_notice_as_it_is(folder: StateFolder) -> None:
    folder.save_sent("presse", build_sent_event("presse-1:2"))
    folder.mark_rejected("presse-1:2", PROBLEMS)
    assert folder.find_status("presse-1", NOW) is NoticeStatus.SENT


def test_the_last_waiting_update_of_a_rejected_notice_becomes_its_first_revision(folder: StateFolder) -> None:
    follow_up, damaged, other = "presse-1.2:1", "presse-1:3", "presse-10:2"
    for identifier in (follow_up, damaged):
        folder.save_draft(build_sent_event(identifier))
    for revision in (10, 2):
        folder.save_draft(build_sent_event(f"presse-1:{revision}", data={"revision": revision, "text": revision}))
    folder.save_draft(build_sent_event(other, data={"revision": 2}))
    folder.save_sent("presse", EVENT)
    assert folder.mark_rejected("presse-1:1", PROBLEMS) == "presse"
    drafts = {draft["id"]: draft["data"] for draft in map(read_draft, list_files(folder.drafts))}
    assert drafts == {follow_up: {}, damaged: {}, "presse-1:1": {"text": 10}, other: {"revision": 2}}
    assert folder.find_status("presse-1", NOW) is NoticeStatus.UNSENT


@pytest.mark.parametrize(("minutes", "status"), [(-1, NoticeStatus.EXPIRED), (1, NoticeStatus.SENT)])
def test_what_has_expired_before_its_answer_came_is_told_apart(
    minutes: int, status: NoticeStatus, folder: StateFolder
) -> None:
    expires = NOW + timedelta(minutes=minutes)
    folder.save_sent("presse", build_sent_event("presse-1:1", expirytime=expires.isoformat()))
    assert folder.find_status("presse-1", NOW) is status

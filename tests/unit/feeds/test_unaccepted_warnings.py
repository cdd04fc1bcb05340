"""Updates of a warning whose first revision nobody has: it was rejected, or its draft waits or was dropped."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.feeds.folder import StateFolder, list_files
from services.feeds.state import NoticeStatus
from shared.contracts.events import Problem
from tests.factories.alerts import build_alert, build_info, poll_alerts
from tests.factories.feeds import NOW, build_sent_event, list_events, list_kinds, read_data

FIRST = build_alert("w-1")
UPDATE = build_alert(
    "w-2",
    build_info(headline="Weiter abkochen"),
    references=["w-1"],
    msgType="Update",
    sent="2026-11-25T10:20:00+01:00",
)
CANCEL = build_alert("w-3", "<!-- -->", references=["w-1"], msgType="Cancel", sent="2026-11-25T10:30:00+01:00")
EVENT = build_sent_event("warnung-1:1")
PROBLEMS = (Problem(field="quota", problem="is used up"),)


@pytest.mark.parametrize("update", ["revision", "follow-up"])
def test_the_update_of_a_rejected_warning_is_published_as_new(update: str) -> None:
    first = poll_alerts(FIRST, update=update)
    second = poll_alerts(UPDATE, memory=first.state, status=NoticeStatus.REJECTED, update=update)
    (event,) = list_events(second)
    assert (list_kinds(second), second.counts["published"], "follows" in read_data(event)) == (["published"], 1, False)
    assert event.subject != list_events(first)[0].subject
    (withdrawn, clear) = list_events(
        poll_alerts(build_alert("w-4", references=["w-2"], msgType="Cancel"), memory=second.state)
    )
    assert withdrawn.subject == event.subject == read_data(clear)["follows"]


def test_the_cancellation_of_a_rejected_warning_tells_nobody() -> None:
    first = poll_alerts(FIRST)
    assert list_kinds(poll_alerts(CANCEL, memory=first.state, status=NoticeStatus.REJECTED)) == []


@pytest.mark.parametrize("update", ["revision", "follow-up"])
def test_the_update_of_a_draft_that_was_not_published_replaces_it(update: str) -> None:
    drafting: dict[str, Any] = {"mode": "draft", "update": update}
    first = poll_alerts(FIRST, **drafting)
    second = poll_alerts(UPDATE, memory=first.state, status=NoticeStatus.UNSENT, **drafting)
    (before,), (event,) = list_events(first), list_events(second)
    assert (event.id, event.type, second.counts["drafted"]) == (before.id, before.type, 1)
    assert read_data(event)["headline"] == "Weiter abkochen"
    third = poll_alerts(CANCEL, memory=second.state, **drafting)
    assert [each.subject for each in list_events(third)][:1] == [event.subject]


def test_drafts_of_one_poll_are_one_draft() -> None:
    outcome = poll_alerts(FIRST, UPDATE, mode="draft")
    (event,) = list_events(outcome)
    assert (event.id, read_data(event)["headline"]) == (f"{event.subject}:1", "Weiter abkochen")


def test_the_update_of_a_published_draft_is_its_next_revision() -> None:
    first = poll_alerts(FIRST, mode="draft")
    assert list_kinds(poll_alerts(UPDATE, memory=first.state, mode="draft")) == ["updated"]


def test_the_update_of_what_expired_before_its_answer_came_is_new_and_its_cancellation_is_told() -> None:
    first = poll_alerts(FIRST).state
    assert list_kinds(poll_alerts(UPDATE, memory=first, status=NoticeStatus.EXPIRED)) == ["published", "withdrawn"]
    assert list_kinds(poll_alerts(CANCEL, memory=first, status=NoticeStatus.EXPIRED)) == ["withdrawn", "published"]


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path)


def test_a_rejected_notice_is_known_as_such_until_it_is_accepted(folder: StateFolder) -> None:
    folder.save_sent("warnung", EVENT)
    assert folder.find_status("warnung-1", NOW) is NoticeStatus.SENT
    folder.mark_rejected("warnung-1:1", PROBLEMS)
    assert folder.find_status("warnung-1", NOW) is NoticeStatus.REJECTED
    folder.drop("warnung-1.1")
    assert folder.find_status("warnung-1", NOW) is NoticeStatus.REJECTED
    folder.save_sent("drafts", EVENT)
    folder.mark_answered("warnung-1:1")
    assert folder.find_status("warnung-1", NOW) is NoticeStatus.SENT


def test_a_rejected_update_leaves_its_notice_as_it_is(folder: StateFolder) -> None:
    folder.save_sent("warnung", build_sent_event("warnung-1:2"))
    folder.mark_rejected("warnung-1:2", PROBLEMS)
    assert folder.find_status("warnung-1", NOW) is NoticeStatus.SENT


@pytest.mark.parametrize(("minutes", "status"), [(-1, NoticeStatus.EXPIRED), (1, NoticeStatus.SENT)])
def test_what_has_expired_before_its_answer_came_is_told_apart(
    minutes: int, status: NoticeStatus, folder: StateFolder
) -> None:
    expires = NOW + timedelta(minutes=minutes)
    folder.save_sent("warnung", build_sent_event("warnung-1:1", expirytime=expires.isoformat()))
    assert folder.find_status("warnung-1", NOW) is status


def test_a_draft_is_unsent_until_it_is_published(folder: StateFolder) -> None:
    folder.save_draft(EVENT)
    assert folder.find_status("warnung-1", NOW) is NoticeStatus.UNSENT
    folder.save_sent("drafts", EVENT)
    folder.drop("warnung-1.1")
    assert folder.find_status("warnung-1", NOW) is NoticeStatus.SENT
    folder.mark_answered("warnung-1:1")
    assert folder.find_status("warnung-1", NOW) is NoticeStatus.SENT


def test_a_draft_whose_answer_is_there_before_it_is_removed_is_published(folder: StateFolder) -> None:
    folder.save_draft(EVENT)
    folder.save_sent("drafts", EVENT)
    folder.mark_answered("warnung-1:1")
    folder.remove("warnung-1.1")
    assert (list_files(folder.drafts), folder.find_status("warnung-1", NOW)) == ([], NoticeStatus.SENT)


def test_a_dropped_draft_is_unsent(folder: StateFolder) -> None:
    folder.save_draft(EVENT)
    folder.drop("warnung-1.1")
    assert (list_files(folder.drafts), folder.find_status("warnung-1", NOW)) == ([], NoticeStatus.UNSENT)

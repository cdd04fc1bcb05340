"""Warnings whose updates come late, out of order or unusable: a cancellation still ends the right one."""

from typing import Any

import pytest

from services.feeds.decisions import PollOutcome
from services.feeds.state import OriginState
from tests.factories.alerts import build_alert, build_area, build_info, poll_alerts
from tests.factories.feeds import list_events, list_kinds, read_data

AT = "2026-11-25T10:{}:00+01:00"
EXPIRED = "2026-11-25T10:50:00+01:00"
HERE: dict[str, Any] = {"areas": {"03356*": "*"}}
FIRST = build_alert("w-1")
UPDATE = build_alert("w-2", build_info(headline="Weiter"), references=["w-1"], msgType="Update", sent=AT.format(20))
LAST = build_alert("w-3", build_info(headline="Noch"), references=["w-2"], msgType="Update", sent=AT.format(30))
CANCEL = build_alert("w-4", "<!-- -->", references=["w-2"], msgType="Cancel", sent=AT.format(40))


def poll_one_by_one(*bodies: bytes, memory: OriginState | None = None, **origin: Any) -> list[PollOutcome]:
    outcomes: list[PollOutcome] = []
    memory = memory or OriginState()
    for body in bodies:
        outcomes.append(poll_alerts(body, memory=memory, **origin))
        memory = outcomes[-1].state
    return outcomes


def kinds(outcomes: list[PollOutcome]) -> list[list[str]]:
    return [list_kinds(outcome) for outcome in outcomes]


def test_a_cancellation_that_overtakes_its_update_ends_the_warning_once_that_comes() -> None:
    outcomes = poll_one_by_one(FIRST, CANCEL, UPDATE, UPDATE)
    assert kinds(outcomes) == [["published"], [], ["withdrawn", "published"], []]
    clear = read_data(list_events(outcomes[2])[1])
    assert (clear["headline"], clear["text"]) == ("Entwarnung: Wasser abkochen", "Die Warnung ist aufgehoben.")
    assert clear["follows"] == list_events(outcomes[0])[0].subject


def test_a_cancellation_that_overtakes_two_updates_ends_the_warning_once_both_have_come() -> None:
    cancel = build_alert("w-4", "<!-- -->", references=["w-3"], msgType="Cancel", sent=AT.format(40))
    outcomes = poll_one_by_one(FIRST, cancel, LAST, UPDATE)
    assert kinds(outcomes) == [["published"], [], [], ["withdrawn", "published"]]


def test_an_update_that_overtakes_another_replaces_the_warning_once_that_comes() -> None:
    outcomes = poll_one_by_one(FIRST, LAST, UPDATE)
    assert kinds(outcomes) == [["published"], ["published"], ["withdrawn"]]
    assert list_events(outcomes[2])[0].subject == list_events(outcomes[0])[0].subject
    (cancelled,) = poll_one_by_one(CANCEL, memory=outcomes[2].state)
    withdrawn, clear = list_events(cancelled)
    assert withdrawn.subject == list_events(outcomes[1])[0].subject == read_data(clear)["follows"]


def test_what_has_moved_elsewhere_before_its_update_came_is_over_once_that_comes() -> None:
    moved = build_info(build_area("Bremen"))
    last = build_alert("w-3", moved, references=["w-2"], msgType="Update", sent=AT.format(30))
    outcomes = poll_one_by_one(FIRST, last, UPDATE, **HERE)
    assert kinds(outcomes) == [["published"], [], ["withdrawn", "published"]]


@pytest.mark.parametrize(
    "overtaken", [build_alert("w-2", status="Test"), build_alert("w-2", references=["w-0"], msgType="Update")]
)
def test_what_was_cancelled_before_it_came_ends_no_other_warning(overtaken: bytes) -> None:
    assert kinds(poll_one_by_one(FIRST, CANCEL, overtaken)) == [["published"], [], []]


def test_an_update_that_says_nothing_is_no_all_clear() -> None:
    empty = build_alert("w-2", "<!-- -->", references=["w-1"], msgType="Update", sent=AT.format(20))
    outcomes = poll_one_by_one(FIRST, empty, CANCEL)
    assert (outcomes[1].counts["broken"], kinds(outcomes)) == (1, [["published"], [], ["withdrawn", "published"]])


UNUSABLE = {"broken": build_info(headline="", event=""), "refused": build_info(expires="")}


@pytest.mark.parametrize("reason", UNUSABLE)
def test_a_cancellation_of_an_update_that_could_not_be_used_ends_the_warning(reason: str) -> None:
    unusable = build_alert("w-2", UNUSABLE[reason], references=["w-1"], msgType="Update", sent=AT.format(20))
    (first,) = poll_one_by_one(FIRST)
    (second,) = poll_one_by_one(unusable, memory=first.state, expires_in="9000d")
    assert (second.counts[reason], kinds([second])) == (1, [[]])
    assert kinds(poll_one_by_one(CANCEL, memory=second.state)) == [["withdrawn", "published"]]


SHORTENED = build_alert("w-2", build_info(expires=EXPIRED), references=["w-1"], msgType="Update", sent=AT.format(20))


def test_an_update_that_has_expired_withdraws_the_warning_and_its_cancellation_tells_who_got_it() -> None:
    outcomes = poll_one_by_one(FIRST, SHORTENED, CANCEL)
    assert (outcomes[1].counts["expired"], kinds(outcomes)) == (1, [["published"], ["withdrawn"], ["published"]])
    assert read_data(list_events(outcomes[2])[0])["follows"] == list_events(outcomes[0])[0].subject
    again = build_alert("w-5", "<!-- -->", references=["w-1"], msgType="Cancel", sent=AT.format(45))
    assert kinds(poll_one_by_one(again, memory=outcomes[2].state)) == [[]]


def test_an_update_of_one_that_has_expired_is_a_new_warning_with_one_all_clear() -> None:
    cancel = build_alert("w-4", "<!-- -->", references=["w-1", "w-2", "w-3"], msgType="Cancel", sent=AT.format(40))
    outcomes = poll_one_by_one(FIRST, SHORTENED, LAST, cancel)
    assert kinds(outcomes) == [["published"], ["withdrawn"], ["published"], ["withdrawn", "published"]]
    withdrawn, clear = list_events(outcomes[3])
    assert withdrawn.subject == list_events(outcomes[2])[0].subject == read_data(clear)["follows"]


def test_a_cancellation_of_an_update_that_replaced_two_ends_it() -> None:
    merged = build_alert("w-2", references=["w-1", "w-1b"], msgType="Update", sent=AT.format(20))
    outcomes = poll_one_by_one(FIRST, build_alert("w-1b"), merged, CANCEL)
    assert kinds(outcomes[2:]) == [["updated", "withdrawn"], ["withdrawn", "published"]]
    assert list_events(outcomes[3])[0].subject == list_events(outcomes[0])[0].subject

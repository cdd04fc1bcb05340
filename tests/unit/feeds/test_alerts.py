"""Warnings, their updates and their cancellations."""

import itertools
from datetime import datetime
from typing import Any

import pytest

from services.feeds.configuration import Mode
from tests.factories.alerts import SENDER, build_alert, build_area, build_info, poll_alerts
from tests.factories.feeds import list_events, list_kinds, read_data

EXPIRES = datetime.fromisoformat("2026-11-25T22:00:00+01:00")
LATER = "2026-11-25T10:30:00+01:00"
LAST = "2026-11-25T10:40:00+01:00"
UPDATE = build_alert(
    "w-2", build_info(headline="Wasser weiter abkochen"), references=["w-1"], msgType="Update", sent=LATER
)
CANCEL = build_alert("w-3", "<!-- -->", references=["w-1"], msgType="Cancel", sent=LAST)


def test_a_warning_becomes_an_urgent_notice_that_expires_with_it() -> None:
    outcome = poll_alerts(build_alert("w-1"))
    (event,) = list_events(outcome)
    assert (event.expirytime, event.id) == (EXPIRES, f"{event.subject}:1")
    said = read_data(event)
    assert (said["headline"], said["text"]) == ("Wasser abkochen", "Keime im Trinkwasser. Bitte kochen Sie es ab.")
    assert (said["urgent"], said["municipalities"]) == (True, ["Lilienthal"])
    assert outcome.counts["published"] == 1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "Exercise"}, "not_actual"),
        ({"status": "Test"}, "not_actual"),
        ({"status": "Draft"}, "not_actual"),
        ({"status": "System"}, "not_actual"),
        ({"scope": "Restricted"}, "not_public"),
        ({"scope": "Private"}, "not_public"),
        ({"msgType": "Ack"}, "no_warning"),
        ({"msgType": "Error"}, "no_warning"),
    ],
)
def test_only_actual_public_warnings_reach_anybody(fields: dict[str, str], reason: str) -> None:
    outcome = poll_alerts(build_alert("w-1", **fields))
    assert (list_events(outcome), outcome.counts[reason]) == ([], 1)


def test_an_exercise_does_not_change_a_warning() -> None:
    first = poll_alerts(build_alert("w-1")).state
    exercise = build_alert("w-2", references=["w-1"], msgType="Cancel", status="Exercise")
    assert list_events(poll_alerts(exercise, memory=first)) == []


@pytest.mark.parametrize(
    ("severity", "urgency", "urgent"),
    [
        ("Extreme", "Immediate", True),
        ("Severe", "Expected", True),
        ("Severe", "Future", False),
        ("Minor", "Immediate", False),
    ],
)
def test_urgent_by_severity_and_urgency(severity: str, urgency: str, urgent: bool) -> None:
    (event,) = list_events(poll_alerts(build_alert("w-1", build_info(severity=severity, urgency=urgency))))
    assert read_data(event)["urgent"] is urgent


def test_the_rule_for_urgent_can_be_configured() -> None:
    warning = build_alert("w-1", build_info(severity="Minor", urgency="Future"))
    (event,) = list_events(poll_alerts(warning, urgent={"severity": ["Minor"], "urgency": ["Future"]}))
    assert read_data(event)["urgent"] is True


def test_an_update_is_the_next_revision_of_the_same_notice() -> None:
    first = poll_alerts(build_alert("w-1"))
    second = poll_alerts(UPDATE, memory=first.state)
    (event,) = list_events(second)
    assert (event.subject, event.type) == (list_events(first)[0].subject, "de.kreisfunk.notice.updated.v1")
    assert (read_data(event)["revision"], read_data(event)["headline"]) == (2, "Wasser weiter abkochen")
    third = build_alert("w-2b", references=["w-2"], msgType="Update", sent=LAST)
    (again,) = list_events(poll_alerts(third, memory=second.state))
    assert (again.subject, read_data(again)["revision"]) == (event.subject, 3)


def test_an_update_can_follow_up_to_those_who_got_the_warning() -> None:
    following: dict[str, Any] = {"update": "follow-up"}
    first = poll_alerts(build_alert("w-1"), **following)
    second = poll_alerts(UPDATE, memory=first.state, **following)
    (event,) = list_events(second)
    assert read_data(event)["follows"] == list_events(first)[0].subject
    assert event.subject != list_events(first)[0].subject
    withdrawn, follow_up, clear = list_events(poll_alerts(CANCEL, memory=second.state, **following))
    assert [withdrawn.subject, follow_up.subject] == [list_events(first)[0].subject, event.subject]
    assert read_data(clear)["follows"] == list_events(first)[0].subject


def test_a_cancellation_withdraws_and_tells_exactly_those_who_got_it() -> None:
    first = poll_alerts(build_alert("w-1"))
    outcome = poll_alerts(CANCEL, memory=first.state)
    withdrawn, clear = list_events(outcome)
    assert list_kinds(outcome) == ["withdrawn", "published"]
    assert withdrawn.subject == list_events(first)[0].subject == read_data(clear)["follows"]
    assert (read_data(clear)["headline"], read_data(clear)["urgent"]) == ("Entwarnung: Wasser abkochen", True)
    assert read_data(clear)["text"] == "Die Warnung ist aufgehoben."
    assert outcome.counts["withdrawn"] == 1
    assert list_events(poll_alerts(CANCEL, memory=outcome.state)) == []


def test_a_cancellation_says_what_its_sender_says_but_does_not_repeat_the_warning() -> None:
    first = poll_alerts(build_alert("w-1")).state
    repeated = build_alert("w-3", build_info(), references=["w-1"], msgType="Cancel")
    clear = read_data(list_events(poll_alerts(repeated, memory=first))[1])
    assert (clear["headline"], clear["text"]) == ("Entwarnung: Wasser abkochen", "Die Warnung ist aufgehoben.")
    said = build_info(headline="Abkochgebot aufgehoben", description="Das Wasser ist rein.", instruction="")
    own = build_alert("w-3", said, references=["w-1"], msgType="Cancel")
    clear = read_data(list_events(poll_alerts(own, memory=first))[1])
    assert clear["headline"] == "Abkochgebot aufgehoben"
    assert clear["text"] == "Die Warnung ist aufgehoben. Das Wasser ist rein."


def test_a_cancellation_can_withdraw_without_a_word() -> None:
    first = poll_alerts(build_alert("w-1"), cancel="withdraw").state
    assert list_kinds(poll_alerts(CANCEL, memory=first, cancel="withdraw")) == ["withdrawn"]


def test_an_update_that_is_an_all_clear_is_one() -> None:
    first = poll_alerts(build_alert("w-1")).state
    clear = build_alert("w-2", build_info(responseType="AllClear"), references=["w-1"], msgType="Update", sent=LATER)
    assert list_kinds(poll_alerts(clear, memory=first)) == ["withdrawn", "published"]


@pytest.mark.parametrize("order", list(itertools.permutations([build_alert("w-1"), UPDATE, CANCEL])))
def test_in_whatever_order_they_lie_there_they_are_taken_as_they_were_sent(order: tuple[bytes, ...]) -> None:
    assert list_kinds(poll_alerts(*order)) == ["published", "updated", "withdrawn", "published"]


def test_what_was_cancelled_before_it_came_reaches_nobody() -> None:
    first = poll_alerts(CANCEL)
    assert (list_events(first), first.counts["unknown_reference"]) == ([], 1)
    assert list_events(poll_alerts(build_alert("w-1"), memory=first.state)) == []


def test_an_update_of_what_we_never_saw_is_news_and_the_older_one_is_not() -> None:
    first = poll_alerts(UPDATE)
    assert list_kinds(first) == ["published"]
    assert list_events(poll_alerts(build_alert("w-1"), memory=first.state)) == []


def test_after_a_cancellation_an_update_is_a_new_warning() -> None:
    over = poll_alerts(CANCEL, memory=poll_alerts(build_alert("w-1")).state).state
    again = poll_alerts(UPDATE, memory=over)
    assert list_kinds(again) == ["published"]


def test_nobody_ends_somebody_elses_warning() -> None:
    first = poll_alerts(build_alert("w-1")).state
    foreign = build_alert("w-9", sender="elsewhere@example.org", references=[f"{SENDER},w-1,x"], msgType="Cancel")
    assert list_events(poll_alerts(foreign, memory=first)) == []
    own = build_alert("w-9", sender="x@y", references=[f"{SENDER},w-1,x"], msgType="Update")
    assert list_events(poll_alerts(own, memory=first)) != []


def test_only_known_senders_if_they_are_named() -> None:
    known: dict[str, Any] = {"senders": [SENDER]}
    outcome = poll_alerts(build_alert("w-1", sender="elsewhere@example.org"), **known)
    assert (list_events(outcome), outcome.counts["foreign_sender"]) == ([], 1)
    assert len(list_events(poll_alerts(build_alert("w-1"), memory=outcome.state, **known))) == 1


def test_german_goes_before_other_languages_and_another_one_before_none() -> None:
    english = build_info(language="en-GB", headline="Boil water")
    (event,) = list_events(poll_alerts(build_alert("w-1", english, build_info())))
    assert read_data(event)["headline"] == "Wasser abkochen"
    (event,) = list_events(poll_alerts(build_alert("w-1", english)))
    assert read_data(event)["headline"] == "Boil water"


@pytest.mark.parametrize(
    ("areas", "mapped", "municipalities"),
    [
        ([build_area("Lilienthal")], {}, ["Lilienthal"]),
        ([build_area("LILIENTHAL"), build_area("Worpswede")], {}, ["Lilienthal", "Worpswede"]),
        ([build_area("Landkreis Osterholz")], {}, []),
        ([build_area("Lilienthal"), build_area("Ortsteil Falkenberg")], {}, []),
        ([build_area("x", "033560005005")], {"033560005005": "Lilienthal"}, ["Lilienthal"]),
        ([build_area("x", "033560005005")], {"ARS:0335600050*": "Lilienthal"}, ["Lilienthal"]),
        ([build_area("x", "033560000000")], {"03356*": "*"}, []),
        ([build_area("Falkenberg")], {"falkenberg": ["Lilienthal", "Worpswede"]}, ["Lilienthal", "Worpswede"]),
        ([build_area("Bremen"), build_area("Lilienthal")], {"03356*": "*"}, ["Lilienthal"]),
        ([build_area("Bremen")], {"03356*": "*"}, None),
    ],
)
def test_areas_become_municipalities(
    areas: list[str], mapped: dict[str, Any], municipalities: list[str] | None
) -> None:
    outcome = poll_alerts(build_alert("w-1", build_info(*areas)), areas=mapped)
    if municipalities is None:
        assert (list_events(outcome), outcome.counts["elsewhere"]) == ([], 1)
    else:
        (event,) = list_events(outcome)
        assert read_data(event)["municipalities"] == municipalities


def test_a_topic_that_is_not_local_is_for_everybody() -> None:
    (event,) = list_events(poll_alerts(build_alert("w-1"), topic="veranstaltungen"))
    assert read_data(event)["municipalities"] == []


def test_what_has_moved_elsewhere_is_over_here() -> None:
    mapped: dict[str, Any] = {"areas": {"03356*": "*"}}
    first = poll_alerts(build_alert("w-1"), **mapped).state
    moved = build_alert("w-2", build_info(build_area("Bremen")), references=["w-1"], msgType="Update", sent=LATER)
    assert list_kinds(poll_alerts(moved, memory=first, **mapped)) == ["withdrawn", "published"]


def test_of_several_parts_the_gravest_speaks_and_all_places_are_told() -> None:
    mild = build_info(build_area("Worpswede"), headline="Leicht", severity="Minor")
    grave = build_info(build_area("Lilienthal"), headline="Schwer", severity="Extreme")
    (event,) = list_events(poll_alerts(build_alert("w-1", mild, grave)))
    assert (read_data(event)["headline"], read_data(event)["municipalities"]) == ("Schwer", ["Lilienthal", "Worpswede"])


def test_expired_is_not_told_and_without_an_expiry_the_configuration_has_one() -> None:
    gone = poll_alerts(build_alert("w-1", build_info(expires="2026-11-25T08:00:00+01:00")))
    assert (list_events(gone), gone.counts["expired"]) == ([], 1)
    (event,) = list_events(poll_alerts(build_alert("w-2", build_info(expires="")), expires_in="3h"))
    assert event.expirytime == datetime.fromisoformat("2026-11-25T13:00:00+00:00")


@pytest.mark.parametrize("description", ["Lage. " * 500, "⚠️ 🌪️ 🌧️ " * 120])
def test_instructions_are_not_what_is_cut_off(description: str) -> None:
    long = build_info(description=description, instruction="Fenster schließen.")
    (event,) = list_events(poll_alerts(build_alert("w-1", long)))
    assert read_data(event)["text"].endswith("… Fenster schließen.")
    assert len(read_data(event)["text"]) <= 800


def test_rules_choose_the_topic_by_category_and_event() -> None:
    rules = [
        {"category": "^Transport$", "topic": "baustellen"},
        {"category": "trinkwasser", "mode": "draft", "urgent": False},
    ]
    chosen: dict[str, Any] = {"rules": rules}
    outcome = poll_alerts(build_alert("w-1"), build_alert("w-2", build_info(category="Transport")), **chosen)
    assert [read_data(event)["topic"] for event in list_events(outcome)] == ["strassensperrungen", "baustellen"]
    assert [pending.way for pending in outcome.state.pending] == [Mode.DRAFT, Mode.DIRECT]
    followed = poll_alerts(CANCEL, memory=outcome.state, **chosen)
    assert {pending.way for pending in followed.state.pending} == {Mode.DRAFT}


@pytest.mark.parametrize("update", ["revision", "follow-up"])
def test_a_rule_decides_whether_an_update_is_urgent_too(update: str) -> None:
    quiet: dict[str, Any] = {"rules": [{"category": "trinkwasser", "urgent": False}], "update": update}
    first = poll_alerts(build_alert("w-1"), **quiet)
    second = poll_alerts(UPDATE, memory=first.state, **quiet)
    assert [read_data(event)["urgent"] for event in (*list_events(first), *list_events(second))] == [False, False]
    third = poll_alerts(
        build_alert("w-2b", references=["w-2"], msgType="Update", sent=LAST), memory=second.state, update=update
    )
    assert [read_data(event)["urgent"] for event in list_events(third)] == [True], "without the rule"


def test_a_first_look_can_be_told_to_mark_only() -> None:
    marking: dict[str, Any] = {"first_poll": "mark"}
    first = poll_alerts(build_alert("w-1"), **marking)
    assert (list_events(first), first.counts["marked"]) == ([], 1)
    assert len(list_events(poll_alerts(build_alert("w-5"), memory=first.state, **marking))) == 1


def test_an_alert_that_says_nothing_is_broken() -> None:
    assert poll_alerts(build_alert("w-1", "<!-- -->")).counts["broken"] == 1
    assert poll_alerts(build_alert("w-1", build_info(headline="", event=""))).counts["broken"] == 1


def test_an_address_of_another_host_does_not_keep_a_warning_back() -> None:
    warning = build_alert("w-1", build_info(headline="Warnung.Im Norden", instruction="Mehr auf www.dwd.de, bitte."))
    (event,) = list_events(poll_alerts(warning))
    assert read_data(event)["headline"] == "Warnung. Im Norden"
    assert read_data(event)["text"] == "Keime im Trinkwasser. Mehr auf […], bitte."

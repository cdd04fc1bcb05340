"""What becomes of warnings, their updates and their cancellations."""

import itertools
from datetime import datetime
from typing import Any

import pytest

from cli.feeds.memory import Memory, Way
from tests.unit.feeds.material import data, events
from tests.unit.feeds.warnings import SENDER, area, cap, info, looked, origin

EXPIRES = datetime.fromisoformat("2026-11-25T22:00:00+01:00")
LATER = "2026-11-25T10:30:00+01:00"
LAST = "2026-11-25T10:40:00+01:00"
UPDATE = cap("w-2", info(headline="Wasser weiter abkochen"), references=["w-1"], msgType="Update", sent=LATER)
CANCEL = cap("w-3", "<!-- -->", references=["w-1"], msgType="Cancel", sent=LAST)


def kinds(outcome: Any) -> list[str]:
    return [event.type.split(".")[3] for event in events(outcome)]


def test_a_warning_becomes_an_urgent_notice_that_expires_with_it() -> None:
    outcome = looked(origin(), Memory(), cap("w-1"))
    (event,) = events(outcome)
    assert (event.expirytime, event.id) == (EXPIRES, f"{event.subject}:1")
    said = data(event)
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
    outcome = looked(origin(), Memory(), cap("w-1", **fields))
    assert (events(outcome), outcome.counts[reason]) == ([], 1)


def test_an_exercise_does_not_change_a_warning() -> None:
    first = looked(origin(), Memory(), cap("w-1")).memory
    exercise = cap("w-2", references=["w-1"], msgType="Cancel", status="Exercise")
    assert events(looked(origin(), first, exercise)) == []


def test_each_once_however_often_it_is_read() -> None:
    outcome = looked(origin(), Memory(), cap("w-1"), cap("w-1"))
    assert (len(events(outcome)), outcome.counts["known"]) == (1, 1)
    assert events(looked(origin(), outcome.memory, cap("w-1"))) == []


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
    (event,) = events(looked(origin(), Memory(), cap("w-1", info(severity=severity, urgency=urgency))))
    assert data(event)["urgent"] is urgent


def test_the_rule_for_urgent_can_be_configured() -> None:
    mild = origin(urgent={"severity": ["Minor"], "urgency": ["Future"]})
    (event,) = events(looked(mild, Memory(), cap("w-1", info(severity="Minor", urgency="Future"))))
    assert data(event)["urgent"] is True


def test_an_update_is_the_next_revision_of_the_same_notice() -> None:
    first = looked(origin(), Memory(), cap("w-1"))
    second = looked(origin(), first.memory, UPDATE)
    (event,) = events(second)
    assert (event.subject, event.type) == (events(first)[0].subject, "de.kreisfunk.notice.updated.v1")
    assert (data(event)["revision"], data(event)["headline"]) == (2, "Wasser weiter abkochen")
    third = cap("w-2b", references=["w-2"], msgType="Update", sent=LAST)
    (again,) = events(looked(origin(), second.memory, third))
    assert (again.subject, data(again)["revision"]) == (event.subject, 3)


def test_an_update_can_follow_up_to_those_who_got_the_warning() -> None:
    following = origin(update="follow-up")
    first = looked(following, Memory(), cap("w-1"))
    second = looked(following, first.memory, UPDATE)
    (event,) = events(second)
    assert data(event)["follows"] == events(first)[0].subject
    assert event.subject != events(first)[0].subject
    withdrawn, follow_up, clear = events(looked(following, second.memory, CANCEL))
    assert [withdrawn.subject, follow_up.subject] == [events(first)[0].subject, event.subject]
    assert data(clear)["follows"] == events(first)[0].subject


def test_a_cancellation_withdraws_and_tells_exactly_those_who_got_it() -> None:
    first = looked(origin(), Memory(), cap("w-1"))
    outcome = looked(origin(), first.memory, CANCEL)
    withdrawn, clear = events(outcome)
    assert kinds(outcome) == ["withdrawn", "published"]
    assert withdrawn.subject == events(first)[0].subject == data(clear)["follows"]
    assert (data(clear)["headline"], data(clear)["urgent"]) == ("Entwarnung: Wasser abkochen", True)
    assert data(clear)["text"] == "Die Warnung ist aufgehoben."
    assert outcome.counts["withdrawn"] == 1
    assert events(looked(origin(), outcome.memory, CANCEL)) == []


def test_a_cancellation_says_what_its_sender_says_but_does_not_repeat_the_warning() -> None:
    first = looked(origin(), Memory(), cap("w-1")).memory
    repeated = cap("w-3", info(), references=["w-1"], msgType="Cancel")
    clear = data(events(looked(origin(), first, repeated))[1])
    assert (clear["headline"], clear["text"]) == ("Entwarnung: Wasser abkochen", "Die Warnung ist aufgehoben.")
    said = info(headline="Abkochgebot aufgehoben", description="Das Wasser ist rein.", instruction="")
    own = cap("w-3", said, references=["w-1"], msgType="Cancel")
    clear = data(events(looked(origin(), first, own))[1])
    assert clear["headline"] == "Abkochgebot aufgehoben"
    assert clear["text"] == "Die Warnung ist aufgehoben. Das Wasser ist rein."


def test_a_cancellation_can_withdraw_without_a_word() -> None:
    silent = origin(cancel="withdraw")
    assert kinds(looked(silent, looked(silent, Memory(), cap("w-1")).memory, CANCEL)) == ["withdrawn"]


@pytest.mark.parametrize("response", ["AllClear"])
def test_an_update_that_is_an_all_clear_is_one(response: str) -> None:
    first = looked(origin(), Memory(), cap("w-1")).memory
    clear = cap("w-2", info(responseType=response), references=["w-1"], msgType="Update", sent=LATER)
    assert kinds(looked(origin(), first, clear)) == ["withdrawn", "published"]


@pytest.mark.parametrize("order", list(itertools.permutations([cap("w-1"), UPDATE, CANCEL])))
def test_in_whatever_order_they_lie_there_they_are_taken_as_they_were_sent(order: tuple[bytes, ...]) -> None:
    assert kinds(looked(origin(), Memory(), *order)) == ["published", "updated", "withdrawn", "published"]


def test_what_was_cancelled_before_it_came_reaches_nobody() -> None:
    first = looked(origin(), Memory(), CANCEL)
    assert (events(first), first.counts["unknown_reference"]) == ([], 1)
    assert events(looked(origin(), first.memory, cap("w-1"))) == []


def test_an_update_of_what_we_never_saw_is_news_and_the_older_one_is_not() -> None:
    first = looked(origin(), Memory(), UPDATE)
    assert kinds(first) == ["published"]
    assert events(looked(origin(), first.memory, cap("w-1"))) == []


def test_after_a_cancellation_an_update_is_a_new_warning() -> None:
    over = looked(origin(), looked(origin(), Memory(), cap("w-1")).memory, CANCEL).memory
    again = looked(origin(), over, UPDATE)
    assert kinds(again) == ["published"]


def test_an_update_that_replaces_two_goes_on_with_one() -> None:
    first = looked(origin(), Memory(), cap("w-1"), cap("w-1b"))
    merged = cap("w-2", references=["w-1", "w-1b"], msgType="Update", sent=LATER)
    outcome = looked(origin(), first.memory, merged)
    assert kinds(outcome) == ["updated", "withdrawn"]


def test_nobody_ends_somebody_elses_warning() -> None:
    first = looked(origin(), Memory(), cap("w-1")).memory
    foreign = cap("w-9", sender="elsewhere@example.org", references=[f"{SENDER},w-1,x"], msgType="Cancel")
    assert events(looked(origin(), first, foreign)) == []
    assert (
        events(looked(origin(), first, cap("w-9", sender="x@y", references=[f"{SENDER},w-1,x"], msgType="Update")))
        != []
    )


def test_only_known_senders_if_they_are_named() -> None:
    known = origin(senders=[SENDER])
    outcome = looked(known, Memory(), cap("w-1", sender="elsewhere@example.org"))
    assert (events(outcome), outcome.counts["foreign_sender"]) == ([], 1)
    assert len(events(looked(known, outcome.memory, cap("w-1")))) == 1


def test_german_goes_before_other_languages_and_another_one_before_none() -> None:
    english = info(language="en-GB", headline="Boil water")
    (event,) = events(looked(origin(), Memory(), cap("w-1", english, info())))
    assert data(event)["headline"] == "Wasser abkochen"
    (event,) = events(looked(origin(), Memory(), cap("w-1", english)))
    assert data(event)["headline"] == "Boil water"


@pytest.mark.parametrize(
    ("areas", "mapped", "municipalities"),
    [
        ([area("Lilienthal")], {}, ["Lilienthal"]),
        ([area("LILIENTHAL"), area("Worpswede")], {}, ["Lilienthal", "Worpswede"]),
        ([area("Landkreis Osterholz")], {}, []),
        ([area("Lilienthal"), area("Ortsteil Falkenberg")], {}, []),
        ([area("x", "033560005005")], {"033560005005": "Lilienthal"}, ["Lilienthal"]),
        ([area("x", "033560005005")], {"ARS:0335600050*": "Lilienthal"}, ["Lilienthal"]),
        ([area("x", "033560000000")], {"03356*": "*"}, []),
        ([area("Falkenberg")], {"falkenberg": ["Lilienthal", "Worpswede"]}, ["Lilienthal", "Worpswede"]),
        ([area("Bremen"), area("Lilienthal")], {"03356*": "*"}, ["Lilienthal"]),
        ([area("Bremen")], {"03356*": "*"}, None),
    ],
)
def test_areas_become_municipalities(
    areas: list[str], mapped: dict[str, Any], municipalities: list[str] | None
) -> None:
    outcome = looked(origin(areas=mapped), Memory(), cap("w-1", info(*areas)))
    if municipalities is None:
        assert (events(outcome), outcome.counts["elsewhere"]) == ([], 1)
    else:
        (event,) = events(outcome)
        assert data(event)["municipalities"] == municipalities


def test_a_topic_that_is_not_local_is_for_everybody() -> None:
    (event,) = events(looked(origin(topic="veranstaltungen"), Memory(), cap("w-1")))
    assert data(event)["municipalities"] == []


def test_what_has_moved_elsewhere_is_over_here() -> None:
    mapped = origin(areas={"03356*": "*"})
    first = looked(mapped, Memory(), cap("w-1")).memory
    moved = cap("w-2", info(area("Bremen")), references=["w-1"], msgType="Update", sent=LATER)
    assert kinds(looked(mapped, first, moved)) == ["withdrawn", "published"]


def test_of_several_parts_the_gravest_speaks_and_all_places_are_told() -> None:
    mild = info(area("Worpswede"), headline="Leicht", severity="Minor")
    grave = info(area("Lilienthal"), headline="Schwer", severity="Extreme")
    (event,) = events(looked(origin(), Memory(), cap("w-1", mild, grave)))
    assert (data(event)["headline"], data(event)["municipalities"]) == ("Schwer", ["Lilienthal", "Worpswede"])


def test_expired_is_not_told_and_without_an_expiry_the_configuration_has_one() -> None:
    gone = looked(origin(), Memory(), cap("w-1", info(expires="2026-11-25T08:00:00+01:00")))
    assert (events(gone), gone.counts["expired"]) == ([], 1)
    (event,) = events(looked(origin(expires_in="3h"), Memory(), cap("w-2", info(expires=""))))
    assert event.expirytime == datetime.fromisoformat("2026-11-25T13:00:00+00:00")


def test_instructions_are_not_what_is_cut_off() -> None:
    long = info(description="Lage. " * 500, instruction="Fenster schließen.")
    (event,) = events(looked(origin(), Memory(), cap("w-1", long)))
    assert data(event)["text"].endswith("… Fenster schließen.")
    assert len(data(event)["text"]) <= 800


def test_rules_choose_the_topic_by_category_and_event() -> None:
    rules = [
        {"category": "^Transport$", "topic": "baustellen"},
        {"category": "trinkwasser", "mode": "draft", "urgent": False},
    ]
    chosen = origin(rules=rules)
    outcome = looked(chosen, Memory(), cap("w-1"), cap("w-2", info(category="Transport")))
    assert [data(event)["topic"] for event in events(outcome)] == ["strassensperrungen", "baustellen"]
    assert [pending.way for pending in outcome.memory.pending] == [Way.DRAFT, Way.DOOR]
    followed = looked(chosen, outcome.memory, CANCEL)
    assert {pending.way for pending in followed.memory.pending} == {Way.DRAFT}


def test_a_first_look_can_be_told_to_mark_only() -> None:
    marking = origin(first_poll="mark")
    first = looked(marking, Memory(), cap("w-1"))
    assert (events(first), first.counts["marked"]) == ([], 1)
    assert len(events(looked(marking, first.memory, cap("w-5")))) == 1


def test_an_alert_that_says_nothing_is_broken() -> None:
    assert looked(origin(), Memory(), cap("w-1", "<!-- -->")).counts["broken"] == 1
    assert looked(origin(), Memory(), cap("w-1", info(headline="", event=""))).counts["broken"] == 1


def test_an_address_of_another_host_does_not_keep_a_warning_back() -> None:
    warning = cap("w-1", info(headline="Warnung.Im Norden", instruction="Mehr auf www.dwd.de, bitte."))
    (event,) = events(looked(origin(), Memory(), warning))
    assert data(event)["headline"] == "Warnung. Im Norden"
    assert data(event)["text"] == "Keime im Trinkwasser. Mehr auf […], bitte."

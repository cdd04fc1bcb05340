"""Warnings, their updates and their cancellations."""

import itertools
from datetime import datetime
from typing import Any

import pytest

from services.feeds.configuration import Mode
from tests.factories.alerts import build_alert, build_area, build_info, poll_alerts
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


@pytest.mark.parametrize(
    ("severity", "urgency", "rule", "urgent"),
    [
        ("Extreme", "Immediate", {}, True),
        ("Severe", "Expected", {}, True),
        ("Severe", "Future", {}, False),
        ("Minor", "Immediate", {}, False),
        ("Minor", "Future", {"severity": ["Minor"], "urgency": ["Future"]}, True),
    ],
)
def test_urgent_by_severity_and_urgency(severity: str, urgency: str, rule: dict[str, Any], urgent: bool) -> None:
    warning = build_alert("w-1", build_info(severity=severity, urgency=urgency))
    (event,) = list_events(poll_alerts(warning, urgent=rule))
    assert read_data(event)["urgent"] is urgent


@pytest.mark.parametrize("order", list(itertools.permutations([build_alert("w-1"), UPDATE, CANCEL])))
def test_in_whatever_order_they_lie_there_they_are_taken_as_they_were_sent(order: tuple[bytes, ...]) -> None:
    outcome = poll_alerts(*order)
    assert list_kinds(outcome) == ["published", "updated", "withdrawn", "published"]
    first, update, _, clear = map(read_data, list_events(outcome))
    assert (first["headline"], update["headline"]) == ("Wasser abkochen", "Wasser weiter abkochen")
    assert (clear["headline"], clear["text"]) == ("Entwarnung: Wasser weiter abkochen", "Die Warnung ist aufgehoben.")
    assert first["urgent"] == clear["urgent"] is True


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


@pytest.mark.parametrize(
    ("ending", "expires"),
    [
        (CANCEL, "2026-11-25T13:00:00+00:00"),
        (build_alert("w-3", build_info(), references=["w-1"], msgType="Cancel"), EXPIRES.isoformat()),
    ],
    ids=["as configured", "with its sender's expiry"],
)
def test_an_all_clear_is_sent_for_as_long_as_a_warning_would_be(ending: bytes, expires: str) -> None:
    first = poll_alerts(build_alert("w-1")).state
    _, clear = list_events(poll_alerts(ending, memory=first, expires_in="3h"))
    assert clear.expirytime == datetime.fromisoformat(expires)


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


@pytest.mark.parametrize(("update", "result"), [("revision", "updated"), ("follow-up", "followed_up")])
def test_a_rule_decides_whether_an_update_is_urgent_too(update: str, result: str) -> None:
    quiet: dict[str, Any] = {"rules": [{"category": "trinkwasser", "urgent": False}], "update": update}
    first = poll_alerts(build_alert("w-1"), **quiet)
    second = poll_alerts(UPDATE, memory=first.state, **quiet)
    assert [read_data(event)["urgent"] for event in (*list_events(first), *list_events(second))] == [False, False]
    assert second.counts[result] == 1
    third = poll_alerts(
        build_alert("w-2b", references=["w-2"], msgType="Update", sent=LAST), memory=second.state, update=update
    )
    assert [read_data(event)["urgent"] for event in list_events(third)] == [True], "without the rule"


@pytest.mark.parametrize("update", ["revision", "follow-up"])
def test_what_follows_an_urgent_warning_is_urgent_although_it_is_milder(update: str) -> None:
    milder = build_alert("w-2", build_info(severity="Minor"), references=["w-1"], msgType="Update", sent=LATER)
    outcome = poll_alerts(build_alert("w-1"), milder, CANCEL, update=update)
    assert outcome.counts["withdrawn"] == 1
    contents = [read_data(event) for event in list_events(outcome) if "withdrawn" not in event.type]
    assert [content["urgent"] for content in contents] == [True, True, True]


def test_an_address_of_another_host_does_not_keep_a_warning_back() -> None:
    warning = build_alert("w-1", build_info(headline="Warnung.Im Norden", instruction="Mehr auf www.dwd.de, bitte."))
    (event,) = list_events(poll_alerts(warning))
    assert read_data(event)["headline"] == "Warnung. Im Norden"
    assert read_data(event)["text"] == "Keime im Trinkwasser. Mehr auf […], bitte."


def test_drafts_of_one_poll_are_one_draft() -> None:
    outcome = poll_alerts(build_alert("w-1"), UPDATE, mode="draft")
    (event,) = list_events(outcome)
    assert (event.id, read_data(event)["headline"]) == (f"{event.subject}:1", "Wasser weiter abkochen")
    assert outcome.counts["drafted"] == 2

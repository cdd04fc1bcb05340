"""Topics and places that are spoken of in people's own words."""

import pytest

from services.subscriptions.domain.intents.predictions import extract_entities
from services.subscriptions.domain.intents.rules import Findings, apply_rules
from services.subscriptions.domain.intents.text import CitizenText
from tests.factories.citizens import COUNTY

EVENTS, JOBS, WORKS, CLOSURES = "veranstaltungen", "stellen", "baustellen", "strassensperrungen"


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("Konzerte und Flohmärkte", {EVENTS}),
        ("wo gerade eine Straße dicht ist", {CLOSURES}),
        ("freie Ausbildungsplätze und Minijobs", {JOBS}),
        ("wo gebaut wird und wo gesperrt ist", {WORKS, CLOSURES}),
        ("das Schützenfest", {EVENTS}),
        ("guten Appetit", set()),
    ],
)
def test_topics_are_known_by_what_they_are_about(text: str, topics: set[str]) -> None:
    assert extract_entities(CitizenText(text), COUNTY).wanted == topics


@pytest.mark.parametrize(
    ("text", "wanted", "unwanted"),
    [
        ("nur Jobs bitte, die Baustellen interessieren mich nicht", {JOBS}, {WORKS}),
        ("Konzerte nein, Umleitungen ja", {CLOSURES}, {EVENTS}),
        ("keine Feste aber Jobs", {JOBS}, {EVENTS}),
        ("nicht nur Baustellen sondern auch Stellen", {JOBS, WORKS}, set()),
    ],
)
def test_each_part_has_its_own_yes_or_no(text: str, wanted: set[str], unwanted: set[str]) -> None:
    found = extract_entities(CitizenText(text), COUNTY)
    assert found.wanted == wanted
    assert found.unwanted == unwanted


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [
        ("Jobs und Feste, mehr brauche ich nicht", True),
        ("Baustellen weg, alles andere lese ich gern", False),
        ("Nur die Stellen, sonst nichts", True),
        ("Jobs bitte", False),
    ],
)
def test_what_is_said_of_the_rest(text: str, is_refused: bool) -> None:
    assert extract_entities(CitizenText(text), COUNTY).refuses_rest is is_refused


def test_what_somebody_has_already_is_not_what_they_want() -> None:
    assert extract_entities(CitizenText("Zu den Sperrungen bitte noch die Baustellen"), COUNTY).existing == {CLOSURES}


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("bin von Grasberg nach Axstedt umgezogen", {"Hambergen"}),
        ("OHZ und Worphausen", {"Osterholz-Scharmbeck", "Lilienthal"}),
        ("ich wohne in Neu Sankt Jürgen", {"Worpswede"}),
        ("nicht mehr Worpswede, sondern Lilienthal", {"Lilienthal"}),
        ("in Berlin", set()),
        (
            "Ich wohne in Worpswede und bin nicht mehr mobil. Meldungen aus anderen Orten brauche ich nicht",
            {"Worpswede"},
        ),
        ("Ich wohne nicht mehr in Worpswede", set()),
    ],
)
def test_villages_stand_for_their_municipality(text: str, places: set[str]) -> None:
    assert extract_entities(CitizenText(text), COUNTY).places == places


def test_greetings_choose_no_place() -> None:
    assert apply_rules(Findings(CitizenText("Viele Grüße aus Ritterhude")), COUNTY).places == frozenset()

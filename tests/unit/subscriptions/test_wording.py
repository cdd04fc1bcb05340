"""Sentences that our answers must contain, and words that they must not."""

from functools import cache

import pytest

from tests.factories.citizens import TEXTS, play_dialogue

# What somebody writes, in this order.
SAID = (
    *("Start", "Start / Stop", "Stop", "Warum", "Feedback: gut", "Pause 1 Woche", "Daten", "Löschen"),
    *("Start / Daten", "Start / Löschen", "Start / nur Worpswede", "Start / Gemeinden", "Start / Themen"),
    *(
        "Start / nur Stellen / Gemeinden",
        "Start / Pause 1 Woche",
        "Start / Pause / Weiter",
        "Ich will nicht mehr leben",
    ),
)


@cache
def answer(said: str) -> str:
    """The last answer; not asked for at import, as the first text makes the classifier learn."""
    return play_dialogue(*said.split(" / "))[1]


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        *((said, "04791 9300") for said in ("Start / Stop", "Warum", "Pause 1 Woche", "Feedback: gut")),
        ("Ich will nicht mehr leben", "0800 1110111"),
        ("Start", "Tippen Sie unten auf Themen wählen oder schreiben Sie Themen."),
        ("Start / nur Worpswede", "Zu Baustellen und Straßensperrungen erhalten Sie nur Meldungen für Worpswede."),
        ("Start / Gemeinden", "Für alle Orte schreiben Sie: alle Gemeinden"),
        ("Daten", "Anzahl unserer Antworten: 2 Tage gespeichert"),
        ("Warum", "Ihre Nummer kennen wir aus Ihrer Nachricht an uns. Wir speichern sie verschlüsselt."),
        ("Feedback: gut", "Hier können wir Ihnen nicht antworten."),
        ("Start / Löschen", "der Nachweis Ihrer Einwilligung und dieser Löschung"),
    ],
)
def test_an_answer_holds_what_the_person_needs(said: str, sentence: str) -> None:
    assert sentence in answer(said)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("Start", "Zu Baustellen und Straßensperrungen erhalten Sie Meldungen für alle Gemeinden."),
        ("Start / nur Baustellen", "Zu Baustellen erhalten Sie Meldungen für alle Gemeinden."),
        ("Start / nur Baustellen / nur Worpswede", "Zu Baustellen erhalten Sie nur Meldungen für Worpswede."),
        ("Start / nur Stellen", "Zu Baustellen und Straßensperrungen erhalten Sie keine Meldungen."),
        (
            "Start / nur Worpswede / nur Stellen",
            "Zu Baustellen und Straßensperrungen erhalten Sie keine Meldungen. Gespeicherte Orte: Worpswede.",
        ),
    ],
)
def test_whoever_asks_about_the_places_is_told_for_which_of_their_topics_they_count(said: str, sentence: str) -> None:
    assert answer(f"{said} / Gemeinden").startswith(f"{sentence}\n")


def test_no_proof_of_a_consent_is_promised_to_somebody_who_gave_none() -> None:
    assert "der Nachweis dieser Löschung" in answer("Löschen")
    assert "Einwilligung" not in answer("Löschen")


def test_no_answer_holds_an_official_word() -> None:
    for text in (*map(answer, SAID), *(wording.text for wording in TEXTS.list_all())):
        assert text
        assert not [word for word in ("Vermerk", "Kennung", "längstens") if word.casefold() in text.casefold()]


def test_each_wording_has_a_hash_of_its_own() -> None:
    """Which is the proof of what somebody has consented to."""
    wordings = TEXTS.list_all()
    assert len({wording.hash for wording in wordings}) == len({wording.text for wording in wordings})

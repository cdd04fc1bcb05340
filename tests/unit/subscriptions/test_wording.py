"""Sentences that citizens must find in our answers, and words that they must not."""

import pytest

from tests.unit.subscriptions.factories import TEXTS, play_dialogue

ANSWERS = {" / ".join(said): play_dialogue(*said)[1] for said in (
    ["Start"], ["Start", "Stop"], ["Stop"], ["Warum"], ["Feedback: gut"], ["Pause 1 Woche"], ["Daten"], ["Löschen"],
    ["Start", "Daten"], ["Start", "Löschen"], ["Start", "nur Worpswede"], ["Start", "Gemeinden"], ["Start", "Themen"],
    ["Start", "Pause 1 Woche"], ["Start", "Pause", "Weiter"], ["Ich will nicht mehr leben"],
)}  # fmt: skip


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
    assert sentence in ANSWERS[said]


def test_no_proof_of_a_consent_is_promised_to_somebody_who_gave_none() -> None:
    assert "der Nachweis dieser Löschung" in ANSWERS["Löschen"]
    assert "Einwilligung" not in ANSWERS["Löschen"]


@pytest.mark.parametrize("text", [*ANSWERS.values(), *(wording.text for wording in TEXTS.list_all())])
def test_no_answer_holds_an_official_word(text: str) -> None:
    assert text
    assert not [word for word in ("Vermerk", "Kennung", "längstens") if word.casefold() in text.casefold()]

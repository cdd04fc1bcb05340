"""Classes of messages in which a wish is limited, only considered, somebody else's, or only a word beside another."""

import time

import pytest

from services.subscriptions.domain.intents.detection import detect_text_intent
from services.subscriptions.domain.intents.intent import Intent, ParsedIntent
from services.subscriptions.domain.intents.text import CitizenText
from tests.factories.citizens import COUNTY

LEAVING = (Intent.STOP, Intent.ASK_STOP)
CHOSEN = (Intent.ONLY, Intent.ADD, Intent.PLACES)


def understand(text: str) -> ParsedIntent:
    return detect_text_intent(CitizenText(text), COUNTY)


@pytest.mark.parametrize(
    "text",
    [
        "nachts bitte nicht schreiben",
        "Nach 22 Uhr bitte keine Nachrichten",
        "Sonntags möchte ich keine Meldungen bekommen",
        "Bitte nicht mehr nachts schicken, ich werde davon wach",
        "Vor 8 Uhr morgens bitte nicht stören",
    ],
)
def test_a_wish_for_quiet_hours_is_feedback(text: str) -> None:
    assert understand(text).intent is Intent.FEEDBACK


@pytest.mark.parametrize(
    "text",
    [
        "Ihr weckt mich nachts, bitte keine Nachrichten mehr",
        "Nachts bitte nicht schreiben. Am besten gar nichts mehr schicken",
        "Es ist Sonntag, bitte keine Nachrichten mehr",
        "Sonntags keine Meldungen, ach was, meldet mich ganz ab",
        "Nach 22 Uhr kam schon wieder was. Bitte nichts mehr schicken",
    ],
)
def test_whoever_is_disturbed_at_night_may_leave_altogether(text: str) -> None:
    assert understand(text).intent in LEAVING


@pytest.mark.parametrize(
    "text",
    [
        "Ich denke darüber nach, mich abzumelden",
        "Eventuell kündige ich das bald",
        "Sollte ich mich abmelden?",
        "vielleicht sollte ich das abbestellen",
        "Angenommen ich will kündigen, wie geht das?",
        "Falls nichts Brauchbares kommt, melde ich mich wieder ab",
        "werd mich wohl bald abmelden",
        "Weiß nicht ob ich mich abmelden soll",
        "Soll ich kündigen? Naja mal sehen",
        "Was kann ich abbestellen?",
        "Wie lange dauert denn eine Abmeldung bei euch?",
    ],
)
def test_whoever_only_considers_leaving_is_asked(text: str) -> None:
    assert understand(text).intent is Intent.ASK_STOP


@pytest.mark.parametrize(
    "text",
    [
        "Könnten Sie mich vielleicht aus dem Verteiler nehmen?",
        "Ich habe es mir überlegt, bitte abmelden",
        "Eventuell haben Sie es übersehen: Stop",
    ],
)
def test_a_polite_or_considered_wish_to_leave_is_obeyed(text: str) -> None:
    assert understand(text).intent is Intent.STOP


@pytest.mark.parametrize(
    "text",
    [
        "Hab mich beim Newsletter vom Rathaus abgemeldet, hier bleibe ich aber",
        "Meine Tochter hat sich abgemeldet weil sie wegzieht, ich bleibe",
        "Bitte lasst mich drin",
        "bitte nix abbestellen bei mir",
        "Bitte hört nicht auf, das ist eine tolle Sache",
        "please don't stop",
        "Bitte nichts löschen, ich war nur neugierig",
    ],
)
def test_whoever_stays_is_not_taken_off(text: str) -> None:
    assert understand(text).intent not in (*LEAVING, Intent.ERASE, Intent.ASK_ERASE)


@pytest.mark.parametrize(
    "text",
    [
        "Ich bleibe dabei: abmelden",
        "Das hört nicht auf, bitte nichts mehr schicken",
        "Ich denke über einen Umzug nach. Bitte abmelden",
        "Wollte mich eigentlich abmelden, aber finde den Knopf nicht",
        "Interessiert mich nicht, bitte löschen und abbestellen",
    ],
)
def test_whoever_does_not_stay_is_at_least_asked(text: str) -> None:
    assert understand(text).intent in (*LEAVING, Intent.ERASE, Intent.ASK_ERASE)


@pytest.mark.parametrize(
    "text",
    [
        "Ich nehme die Kündigung zurück, bitte weiter schicken",
        "Nee stopp war Quatsch, lasst mich drin",
        "Ich habe mich nicht abgemeldet, bitte schicken Sie weiter",
    ],
)
def test_whoever_never_meant_to_leave_is_asked_to_start_again(text: str) -> None:
    assert understand(text).intent is Intent.ASK_START


@pytest.mark.parametrize("text", ["Stopp an der Ampel in Ritterhude funktioniert nicht", "Stopp beim Bäcker, lecker"])
def test_a_halt_in_the_street_ends_nothing(text: str) -> None:
    assert understand(text).intent not in LEAVING
    assert understand("Stopp, ich stehe an der Ampel").intent is Intent.STOP
    assert understand("Stop an alle").intent is Intent.STOP


@pytest.mark.parametrize(
    "text",
    [
        "Ich hätte gern alle Themen",
        "gebt mir alle themen",
        "All topics please",
        "schickt mir einfach alles, alle themen",
        "Doch wieder alle Themen bitte, mir fehlt sonst was",
        "Stellt mich bitte wieder auf alle Themen um",
    ],
)
def test_all_topics_are_a_choice(text: str) -> None:
    parsed = understand(text)
    assert (parsed.intent, parsed.topics) == (Intent.ONLY, COUNTY.topic_ids)


@pytest.mark.parametrize("text", ["Welche Themen gibt es alle?", "alle Themen abwählen"])
def test_all_topics_that_are_asked_about_or_dropped_are_no_choice(text: str) -> None:
    assert understand(text).topics != COUNTY.topic_ids


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("Bitte Lilienthal und Grasberg, sonst nichts", frozenset({"Lilienthal", "Grasberg"})),
        ("nur noch lilienthal keine anderen orte mehr", frozenset({"Lilienthal"})),
        ("Alles außerhalb von Lilienthal brauche ich nicht", frozenset({"Lilienthal"})),
    ],
)
def test_the_other_places_are_refused(text: str, places: frozenset[str]) -> None:
    parsed = understand(text)
    assert (parsed.intent, parsed.places) == (Intent.ONLY, places)


@pytest.mark.parametrize(
    "text",
    [
        "Doch nicht nur Ritterhude sondern überall",
        "Ich möchte jetzt doch Nachrichten aus dem gesamten Kreisgebiet",
        "kann ich statt nur grasberg wieder alles aus dem kreis haben",
        "Die Einschränkung auf Lilienthal bitte aufheben",
    ],
)
def test_every_place_counts_again(text: str) -> None:
    assert understand(text).every_place


@pytest.mark.parametrize(
    "text",
    [
        "In Worpswede ist der Strom weg",
        "Suche eine Wohnung in Lilienthal",
        "Wo ist in Osterholz-Scharmbeck das Gesundheitsamt",
        "Wie hoch sind die Kitagebühren in Osterholz-Scharmbeck?",
        "Gibt es in Schwanewede einen Kinderarzt?",
    ],
)
def test_a_place_that_is_only_mentioned_is_not_chosen(text: str) -> None:
    assert understand(text).intent not in CHOSEN
    assert understand("Gibt es auch Nachrichten für Schwanewede?").intent in CHOSEN


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("Сделайте паузу на неделю", 7),
        ("Пауза на две недели", 14),
        ("пауза 10 дней", 10),
        ("przerwa na miesiąc", 30),
        ("Bir hafta mesaj göndermeyin", 7),
        ("pause pendant 2 semaines", 14),
    ],
)
def test_the_length_of_a_pause_is_read_in_other_languages(text: str, days: int) -> None:
    parsed = understand(text)
    assert (parsed.intent, parsed.days) == (Intent.PAUSE, days)


def test_a_pause_ends_on_an_english_weekday() -> None:
    assert understand("No messages till Friday please").weekday == 4


def test_erasing_and_leaving_is_erasing() -> None:
    assert understand("Bitte Daten löschen und danach abmelden").intent is Intent.ERASE


@pytest.mark.parametrize("text", ["لغو کنید", "Ga mijn nummer verwijderen aub"])
def test_a_stop_in_another_language_is_obeyed(text: str) -> None:
    assert understand(text).intent is Intent.STOP


@pytest.mark.parametrize(
    "text",
    [
        "Person im See untergegangen!",
        "Frau ist ins Wasser gesprungen bei der Brücke",
        "My wife has strong chest pain, we are in Worpswede",
        "mein kind ist weg, 4 jahre, rote jacke",
        "Hier schießt jemand",
    ],
)
def test_an_emergency_is_recognized(text: str) -> None:
    assert understand(text).intent is Intent.EMERGENCY


@pytest.mark.parametrize("text", ["привет", "السلام عليكم", "Dzień dobry", "Добрий день", "صباح الخير"])
def test_a_greeting_in_another_language_is_only_a_greeting(text: str) -> None:
    assert understand(text).intent is Intent.OTHER


def test_blanks_are_parsed_in_bounded_time() -> None:
    started = time.process_time()
    assert CitizenText("\N{IDEOGRAPHIC SPACE}" * 4096).clauses == []
    assert time.process_time() - started < 0.05


@pytest.mark.parametrize(
    "text",
    ["Start bitte, danke schön und noch einen schönen Feierabend", "Start! Danke und noch ein schönes Wochenende"],
)
def test_a_start_with_a_farewell_is_asked_about(text: str) -> None:
    assert understand(text).intent is Intent.ASK_START


def test_whoever_needs_no_more_than_that_does_not_leave() -> None:
    text = "Ich möchte mich anmelden, und zwar für die Stellenangebote in Schwanewede, mehr brauche ich nicht"
    assert understand(text).intent not in LEAVING
    assert understand("Das hier brauche ich nicht mehr").intent in LEAVING

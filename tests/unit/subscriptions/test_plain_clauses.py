"""What one clause asks for, whatever stands beside it, and what only sounds like a request."""

import pytest

from services.subscriptions.domain.intents.detection import detect_text_intent
from services.subscriptions.domain.intents.intent import Day, Intent
from services.subscriptions.domain.intents.text import CitizenText
from tests.unit.subscriptions.factories import COUNTY, TEXTS, build_message, understand_message


@pytest.mark.parametrize(
    "text",
    [
        "Könnte man meine Daten theoretisch auch löschen lassen?",
        "Wäre es möglich, meine Daten zu löschen?",
        "Habe ich das Recht, dass Sie alle meine Daten löschen?",
        "Wer löscht meine Daten bei euch",
        "Wenn ich mal sterbe, sollen meine Daten gelöscht werden",
        "Vielleicht lasse ich meine Daten löschen",
        "Sobald ich umziehe, bitte alle meine Daten löschen",
        "Alle meine Daten löschen, geht das?",
        "Nur mal interessehalber: alle Daten löschen",
        "Würden Sie meine Nummer auch löschen, wenn ich umziehe?",
        "Ich möchte, dass Sie mich vergessen",
        "Mein Schwager hat alle seine Daten löschen lassen",
        "Würdet ihr meine Daten denn löschen",
        "Jemand hat mir gesagt, ihr müsst alle meine Daten löschen",
        "Bitte nicht alle meine Daten löschen, nur die alte Nummer",
        "Bitte meine Daten erst zeigen, löschen kann ich ja später",
    ],
)
def test_nothing_but_an_unmistakable_request_erases(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent in (Intent.ASK_ERASE, Intent.DATA, Intent.HELP)


@pytest.mark.parametrize(
    "text",
    [
        "Könnten Sie bitte meine Daten löschen?",
        "Wie lange speichern Sie das? Löschen Sie alle meine Daten.",
        "Ich verlange, dass Sie meine Daten löschen!",
        "Alle meine Daten löschen",
        "Hiermit möchte ich meine Daten vollständig löschen lassen",
    ],
)
def test_an_unmistakable_request_erases_however_polite(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is Intent.ERASE


@pytest.mark.parametrize(
    "text",
    [
        "Meld mich ma ab, und wann macht eigentlich das Hallenbad wieder auf?",
        "Wer hat Ihnen meine Nummer gegeben? Sofort raus aus dem Verteiler!",
        "Wie spät ist es? Egal, meldet mich ab",
        "Moin, meldn Sie mich man ab, wer ist für Wohngeld zuständig?",
        "Tragen Sie mich aus. Wann ist denn der Weihnachtsmarkt?",
        "Ist das Bürgerbüro samstags offen? Bitte melden Sie mich außerdem ab.",
        "Warum bekomme ich das? Nehmen Sie mich da raus!",
        "Wann ist der Markt? Bitte abmelden.",
        "Was kostet das? Dann bitte kündigen.",
        "Bitte keine Nachrichten mehr. Gibt es das auch als Mail?",
        "Wer hat Ihnen meine Nummer gegeben? Raus ausm Verteiler!",
    ],
)
def test_a_wish_to_leave_in_any_sentence_counts_whatever_the_others_ask(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is Intent.STOP


@pytest.mark.parametrize(
    "text",
    [
        "kann man das hier auch wieder ausstellen wenn ja dann bitte machen",
        "Lässt sich das abschalten?",
        "Ausstellen bitte",
        "Mein Hund ist gestorben. Bitte abmelden. Wo ist das?",
    ],
)
def test_whoever_may_want_to_switch_us_off_is_at_least_asked(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent in (Intent.STOP, Intent.ASK_STOP)


@pytest.mark.parametrize(
    "text",
    [
        "Nehmen Sie mich bitte nicht raus!",
        "Meld mich nicht ab",
        "Ich will auf keinen Fall raus aus dem Verteiler",
        "Wenn das so weitergeht, meldet mich ab",
        "Meldet mich bitte zum Kurs an, wann geht er los?",
        "Noch so ein Ding und ich kündige",
        "kann heute nicht kommen bin krank, meld mich hiermit ab",
        "Nehmen Sie mich in Ihren Verteiler auf",
        "Wer stellt die Pässe aus?",
        "Wer hat den Baum aus dem Verteilerkasten entfernt?",
        "Wo stellt ihr Führerscheine aus?",
    ],
)
def test_leaving_that_is_denied_supposed_or_something_else_ends_nothing(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is not Intent.STOP


@pytest.mark.parametrize(
    "text",
    [
        "wenn ich morgen nicht mehr da bin merkt das eh keiner. Tabletten hab ich genug",
        "Wenn ich tot bin, vermisst mich niemand",
        "Ohne mich sind alle besser dran",
        "Heute mach ich Schluss mit meinem Leben",
        "Ich spring von der Brücke",
        "Ich habe schon den Abschiedsbrief geschrieben",
        "Schlaftabletten liegen schon bereit",
        "Ich wache hoffentlich morgen nicht mehr auf",
    ],
)
def test_whoever_hints_at_dying_hears_of_help(text: str) -> None:
    _, outcome = understand_message(None, build_message(text))
    assert outcome.reply is not None
    assert outcome.reply.wording == TEXTS.emergency_dying


@pytest.mark.parametrize(
    "text", ["Start Stop was denn nun", "Start? Stop? Hilfe!", "Start, nein Stop, ach ich weiß nicht"]
)
def test_whoever_names_start_and_stop_is_asked_which(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is Intent.ASK_BOTH
    assert detect_text_intent(CitizenText("Stop, kein Start"), COUNTY).intent is Intent.STOP


@pytest.mark.parametrize(
    "text",
    [
        "Ich wollte mich gar nicht abmelden, das war mein Enkel! Bitte wieder rein",
        "Die Abmeldung war falsch, bitte rückgängig machen",
        "Das Stop war nicht von mir!",
        "Die Enkelin hat auf Stop gedrückt, ich wollte das gar nicht",
        "Laat mi wedder rin",
        "Guten Abend! Start. Danke, Hannelore",
        "Start bitte und einen schönen Sonntag noch",
    ],
)
def test_whoever_wants_in_again_is_asked(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is Intent.ASK_START
    assert detect_text_intent(CitizenText("Ich will da nicht wieder rein"), COUNTY).intent is not Intent.ASK_START


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("Erst im Februar wieder was schicken bitte", Day(1, 2)),
        ("Ab Mai bitte erst wieder", Day(1, 5)),
        ("Im Januar erst wieder bitte", Day(1, 1)),
        ("vor Februar will ich nix hören", Day(1, 2)),
        ("Ab Februar könnt ihr wieder schreiben, vorher nicht", Day(1, 2)),
        ("Nachrichten bitte erst wieder im neuen Jahr", Day(1, 1)),
        ("Erst ab Mitte Januar wieder", Day(15, 1)),
    ],
)
def test_a_month_alone_ends_a_pause_on_its_first_day(text: str, until: Day) -> None:
    wish = detect_text_intent(CitizenText(text), COUNTY)
    assert (wish.intent, wish.until) == (Intent.PAUSE, until)


def test_something_else_that_ends_in_a_month_is_no_pause() -> None:
    assert detect_text_intent(CitizenText("Die Sperrung endet erst im Februar"), COUNTY).intent is Intent.OTHER
    assert detect_text_intent(CitizenText("Die Pause ist um"), COUNTY).intent is Intent.RESUME
    assert detect_text_intent(CitizenText("nach Ostern erst wieder schreiben"), COUNTY).easter == 1
    assert (
        detect_text_intent(CitizenText("Habe vor Ostern schon gekündigt, keine Nachrichten mehr"), COUNTY).intent
        is Intent.STOP
    )


@pytest.mark.parametrize(
    "text", ["doch wieder alle Themen bitte", "Könnt ihr wieder alle Themen anmachen", "Sämtliche Themen bitte"]
)
def test_all_topics_are_chosen_and_not_shown(text: str) -> None:
    wish = detect_text_intent(CitizenText(text), COUNTY)
    assert (wish.intent, wish.topics) == (Intent.ONLY, COUNTY.topic_ids)
    assert detect_text_intent(CitizenText("Ich will nicht mehr alle Themen"), COUNTY).intent is not Intent.ONLY


@pytest.mark.parametrize(
    "text",
    [
        "will andere orte einstellen",
        "Was ist mit meinem Dorf, kann man das auch auswählen?",
        "Kann ich auch einstellen, aus welchen Orten ich was bekomme?",
    ],
)
def test_whoever_asks_for_places_hears_how_to_choose_them(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is Intent.PLACES

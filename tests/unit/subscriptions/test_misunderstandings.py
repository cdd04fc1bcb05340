"""Classes of messages that were misunderstood once, each with variants."""

import pytest

from services.subscriptions.domain.intents.detection import detect_text_intent
from services.subscriptions.domain.intents.intent import Day, Intent
from services.subscriptions.domain.intents.text import CitizenText
from tests.unit.subscriptions.factories import COUNTY, TEXTS, build_message, understand_message


@pytest.mark.parametrize(
    "text",
    ["kein intresse mehr", "hab kein intrese mehr", "kein Intersse mehr", "Kein interese mehr an euren nachrichten"],
)
def test_a_typo_in_a_leaving_phrase_does_not_keep_anybody_in(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is Intent.STOP


@pytest.mark.parametrize("text", ["Kein Interesse mehr an Baustellen", "kein intresse an baustellen"])
def test_whoever_lost_interest_in_a_topic_drops_only_that(text: str) -> None:
    wish = detect_text_intent(CitizenText(text), COUNTY)
    assert (wish.intent, wish.topics) == (Intent.REMOVE, frozenset({"baustellen"}))


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("Worpswede ist mir zu weit weg", set()),
        ("Axstedt ist für uns zu weit entfernt", set()),
        ("Was in Hambergen passiert, ist mir zu weit", set()),
        ("Bitte nur Grasberg, Hambergen ist zu weit weg", {"Grasberg"}),
        ("Ich wohne in Ritterhude, Worpswede ist mir viel zu weit weg", {"Ritterhude"}),
        ("Nur Worpswede bitte, alles andere ist mir zu weit weg", {"Worpswede"}),
        ("Grasberg? Das ist mir zu weit weg", set()),
    ],
)
def test_a_place_that_is_too_far_away_is_not_chosen(text: str, places: set[str]) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).places == places


@pytest.mark.parametrize(
    "text",
    [
        "Hab das Foto aus Versehen gelöscht, schickt ihr es mir nochmal?",
        "Ausversehen den ganzen Chat gelöscht",
        "Mist, Nachricht aus Versehen gelöscht",
        "Mein Handy hat alle Chats gelöscht",
        "Habe versehentlich alle Daten auf meinem Handy gelöscht",
    ],
)
def test_what_was_deleted_on_a_phone_is_no_leaving(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is Intent.OTHER


@pytest.mark.parametrize(
    "text",
    [
        "Ich hab auf meinem Handy alles gelöscht",
        "Beim Update wurde alles gelöscht",
        "Meine Frau hat alles gelöscht, könnt ihr das von gestern nochmal schicken",
        "Neues Handy, alle Nachrichten gelöscht",
    ],
)
def test_a_report_that_something_was_deleted_erases_nothing(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is not Intent.ERASE
    assert detect_text_intent(CitizenText("Ich will alles gelöscht haben"), COUNTY).intent is Intent.ERASE


@pytest.mark.parametrize(
    "text",
    [
        "Hab eure Nachricht gelöscht und will keine mehr",
        "Nachricht gelöscht, bitte abmelden",
        "Ich habe eure Nachricht ungelesen gelöscht, falsche Nummer",
        "Bild aus Versehen gelöscht, aber egal, das nervt nur noch",
        "Hab mich aus Versehen angemeldet, meine Nummer soll gelöscht werden",
        "Bild gelöscht, jetzt löscht bitte auch meine Daten",
        "Ich will meine Nachrichten und Daten gelöscht haben",
        "Aus Versehen Start geschickt, meine Daten gehören gelöscht",
    ],
)
def test_whoever_deleted_something_can_still_leave(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent in (
        Intent.STOP,
        Intent.ERASE,
        Intent.ASK_STOP,
        Intent.ASK_ERASE,
    )


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("Ich bin gerade im Urlaub auf Juist, herrliches Wetter hier", Intent.OTHER),
        ("Wir waren im Urlaub", Intent.OTHER),
        ("Letzte Woche waren wir in den Ferien an der Ostsee, sehr schön", Intent.OTHER),
        ("Wir sind im Urlaub, das Wetter ist leider mies", Intent.OTHER),
        ("Der Urlaub war schön, bin zurück", Intent.RESUME),
        ("Bin im Urlaub, schönes Wetter, bitte so lange nichts schicken", Intent.PAUSE),
        ("Wir waren im Urlaub und fahren noch zwei Wochen in Kur, bitte Pause", Intent.PAUSE),
        ("bin im Urlaub", Intent.PAUSE),
    ],
)
def test_a_holiday_is_a_pause_only_for_whoever_wants_one(text: str, intent: Intent) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is intent


@pytest.mark.parametrize("word", ["Rückmeldung", "Feedback", "Lob", "Kritik", "Mein Wunsch"])
@pytest.mark.parametrize("text", ["bitte mehr Veranstaltungen für Kinder", "keine Jobs mehr", "mehr aus Worpswede"])
def test_what_is_introduced_as_feedback_changes_no_topics(word: str, text: str) -> None:
    wish = detect_text_intent(CitizenText(f"{word}: {text}"), COUNTY)
    assert (wish.intent, wish.text) == (Intent.FEEDBACK, text)


@pytest.mark.parametrize(
    "text",
    [
        "bis Neujahr pausieren und danach nur noch Straßensperrungen",
        "Pause bis Neujahr, ab Februar nur noch Straßensperrungen",
        "Bitte bis zum 1.1. Pause und anschließend nur noch Jobs",
        "Bitte bis Neujahr Pause und danach nur noch was Lilienthal betrifft",
        "Bin bis 1. Januar auf Montage. Bitte pausieren",
    ],
)
def test_a_pause_comes_before_what_is_wanted_after_it(text: str) -> None:
    wish = detect_text_intent(CitizenText(text), COUNTY)
    assert (wish.intent, wish.until) == (Intent.PAUSE, Day(1, 1))


@pytest.mark.parametrize(
    "text",
    [
        "wann geht es bei mir weiter?",
        "wann geht es wieder weiter",
        "Bis wann ist meine Pause?",
        "Ist meine Pause schon vorbei?",
        "wann ist meine Pause zu Ende",
        "Moin, bin ich noch in Pause?",
        "Wann ist bei mir die Pause zu Ende?",
    ],
)
def test_a_question_about_one_s_own_pause_shows_its_end(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is Intent.TOPICS


@pytest.mark.parametrize("text", ["Meine Pause ist vorbei", "Könnt ihr die Pause beenden?", "Kann es wieder losgehen?"])
def test_whoever_asks_for_the_end_of_a_pause_gets_it(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is Intent.RESUME


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("⭐⭐⭐⭐⭐", Intent.FEEDBACK),
        ("⭐️⭐️⭐️⭐️ super", Intent.FEEDBACK),
        ("★★★★☆", Intent.FEEDBACK),
        ("Von mir 🌟🌟🌟🌟", Intent.FEEDBACK),
        ("⭐ Pause 2 Wochen ⭐", Intent.PAUSE),
        ("⭐⭐ Stopp ⭐⭐", Intent.STOP),
        ("⭐⭐⭐ Start ⭐⭐⭐", Intent.START),
    ],
)
def test_stars_are_feedback_unless_they_are_an_ornament(text: str, intent: Intent) -> None:
    wish = detect_text_intent(CitizenText(text), COUNTY)
    assert wish.intent is intent
    assert intent is not Intent.FEEDBACK or wish.text == text


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("Dafür zahl ich Steuern?", Intent.FEEDBACK),
        ("Lächerlich, und dafür zahlt man Steuern", Intent.FEEDBACK),
        ("So ein Unsinn, dafür gehen unsere Steuern drauf?", Intent.FEEDBACK),
        ("Wofür zahle ich Hundesteuer?", Intent.OTHER),
        ("So ein Schwachsinn, meldet mich ab", Intent.STOP),
        ("So ein Schwachsinn, aufhören!", Intent.ASK_STOP),
    ],
)
def test_scolding_is_feedback_and_no_question(text: str, intent: Intent) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is intent


@pytest.mark.parametrize(
    "text",
    [
        "Meine Frau ist gestorben, ich mag auch nicht mehr",
        "Ganz einsam bin ich und kann einfach nicht mehr",
        "Es wäre besser ich wäre nicht mehr da",
        "Mein Leben hat keinen Sinn",
        "I don't want to live",
        "Yaşamak istemiyorum",
        "Я не хочу жить",
        "Nie chcę żyć",
        "لا أريد أن أعيش",
    ],
)
def test_whoever_does_not_want_to_live_is_not_unsubscribed_but_hears_of_help(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is Intent.EMERGENCY
    _, outcome = understand_message(None, build_message(text))
    assert outcome.reply is not None
    assert outcome.reply.wording == TEXTS.emergency_dying


@pytest.mark.parametrize(
    "text",
    [
        "Mein Mann ist gestorben, ich will Ihre Nachrichten nicht mehr",
        "Ich will nicht mehr",
        "ich kann nicht mehr, Abmeldung",
    ],
)
def test_a_bereaved_person_can_leave(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is Intent.STOP


@pytest.mark.parametrize(
    "text",
    [
        "Wir haben uns im Wald verirrt und es wird dunkel",
        "Bei uns im Keller das Wasser steigt",
        "Mein Vater hat sich verlaufen, er ist dement",
    ],
)
def test_whoever_is_lost_or_in_danger_is_sent_to_the_emergency_number(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is Intent.EMERGENCY


@pytest.mark.parametrize(
    "text",
    [
        "Falls ich Stopp tippe, kommt dann nie wieder etwas?",
        "Wenn man Stop schickt, ist dann Schluss?",
        "Sobald ich Start schreibe, was kostet das?",
    ],
)
def test_a_question_what_a_word_would_do_does_nothing(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is Intent.HELP


@pytest.mark.parametrize(
    ("text", "intents"),
    [
        ("Ich mag doch gar nicht aufhören, es soll nur seltener kommen", {Intent.TOPICS, Intent.OTHER}),
        ("Die Abmeldung war nicht gewollt, sendet mir bitte wieder alles", {Intent.ASK_START}),
        ("Der Stopp war unser Hund auf dem Handy", {Intent.ASK_START}),
        ("Muss ich mich abmelden, bevor ich wegziehe?", {Intent.HELP, Intent.OTHER, Intent.ASK_STOP}),
    ],
)
def test_whoever_stays_is_not_unsubscribed(text: str, intents: set[Intent]) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent in intents


@pytest.mark.parametrize(
    "text",
    [
        "Unser Bus steht an jedem Stop zehn Minuten herum",
        "Beim ersten Stop der Radtour gab es Kuchen für alle",
        "Bei uns ist Nonstop Verkehr",
    ],
)
def test_a_stop_on_the_way_ends_nothing(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is not Intent.STOP


@pytest.mark.parametrize(
    "text",
    [
        "Ich will wieder aus dem gesamten Landkreis lesen",
        "Bitte kreisweit",
        "Schickt mir bitte die Meldungen aus allen Dörfern",
        "Nicht nur Grasberg, ich möchte alles",
    ],
)
def test_whoever_wants_the_whole_county_gets_it(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).every_place


@pytest.mark.parametrize(
    "text",
    [
        "Ich will nichts mehr aus Hambergen hören",
        "Bitte keine Infos mehr aus Lilienthal",
        "Ich brauche nichts mehr über Ritterhude",
    ],
)
def test_a_refused_place_ends_nothing_and_is_not_chosen(text: str) -> None:
    wish = detect_text_intent(CitizenText(text), COUNTY)
    assert (wish.intent, wish.places) == (Intent.PLACES, frozenset())


@pytest.mark.parametrize(
    ("text", "days", "easter"),
    [
        ("Nächste Woche werde ich operiert, bitte fünf Wochen nichts schicken", 35, None),
        ("nächste Woche bitte nichts schicken", 7, None),
        ("Könnt ihr mich ne Woche in Ruhe lassen", 7, None),
        ("Maakt Paus för dree Weken", 21, None),
        ("Paus bit Oostern", None, 1),
        ("Pause bis Karneval", None, -46),
    ],
)
def test_the_length_of_a_pause_is_the_number_beside_the_unit(text: str, days: int | None, easter: int | None) -> None:
    wish = detect_text_intent(CitizenText(text), COUNTY)
    assert (wish.intent, wish.days, wish.easter) == (Intent.PAUSE, days, easter)


@pytest.mark.parametrize(
    ("text", "until"), [("Pause bis zum Herbst", Day(1, 9)), ("Paus bit Wiehnachten", Day(26, 12))]
)
def test_a_pause_lasts_until_a_season_or_a_feast_in_dialect(text: str, until: Day) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).until == until


@pytest.mark.parametrize("text", ["Pause für immer bitte", "dauerhaft pausieren"])
def test_a_pause_without_end_is_asked_about(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is Intent.ASK_STOP


@pytest.mark.parametrize(
    "text",
    ["Ich bekomme keine Rente", "Habe meinen Ausweis nicht erhalten", "Ich habe gestern die Zeitung nicht bekommen"],
)
def test_whoever_misses_something_else_is_not_shown_the_topics(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is not Intent.TOPICS
    assert detect_text_intent(CitizenText("Ich habe gestern nichts bekommen"), COUNTY).intent in (
        Intent.TOPICS,
        Intent.HELP,
    )


@pytest.mark.parametrize(
    "text",
    [
        "Alles gelöscht auf dem neuen Telefon, schickt ihr die Meldung noch einmal",
        "Chat gelöscht, bitte die Nachricht erneut senden",
        "Wie lösche ich mein Konto bei Google?",
        "Wie werde ich meinen Account bei Netflix los",
    ],
)
def test_what_is_deleted_elsewhere_erases_nothing_here(text: str) -> None:
    wish = detect_text_intent(CitizenText(text), COUNTY)
    assert wish.intent in (Intent.OTHER, Intent.HELP)

"""More classes of messages that were misunderstood once: what people want, and what they only mention."""

import pytest

from services.subscriptions.domain.intents.detection import detect_text_intent
from services.subscriptions.domain.intents.intent import Day, Intent
from services.subscriptions.domain.intents.rules import Findings, apply_rules
from services.subscriptions.domain.intents.text import CitizenText
from tests.unit.subscriptions.factories import COUNTY, TEXTS, play_dialogue


@pytest.mark.parametrize("text", ["nicht anmelden, war nur Neugier", "Kein Abo, ich schaue mich nur um"])
def test_whoever_does_not_want_to_start_is_not_asked_to(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent not in (Intent.START, Intent.ASK_START)


@pytest.mark.parametrize(
    "text", ["Bitte leichter schreiben, ich nicht alles verstehen", "Ich verstehen nicht diese Sprache, bitte einfach"]
)
def test_whoever_does_not_understand_stays(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent in (Intent.HELP, Intent.FEEDBACK)
    assert (
        detect_text_intent(CitizenText("Ich verstehe nicht, bitte nicht mehr schreiben"), COUNTY).intent is Intent.STOP
    )


@pytest.mark.parametrize(
    "text", ["Schaltet die Jobs ab", "Stell die Stellenangebote ab", "Schalten Sie bitte die Jobs aus"]
)
def test_a_topic_that_is_switched_off_ends_nothing_else(text: str) -> None:
    wish = detect_text_intent(CitizenText(text), COUNTY)
    assert (wish.intent, wish.topics) == (Intent.REMOVE, frozenset({"stellen"}))


def test_on_the_way_refuses_no_topic() -> None:
    wish = detect_text_intent(CitizenText("nur Baustellen auf dem Weg nach Lilienthal bitte"), COUNTY)
    assert (wish.intent, wish.topics) == (Intent.ONLY, frozenset({"baustellen"}))


@pytest.mark.parametrize("text", ["thx", "Danke schön", "Guten Morgen liebes Team", "Gruß"])
def test_mere_politeness_changes_nothing(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is Intent.OTHER


@pytest.mark.parametrize(
    "text", ["Оставьте меня в покое", "Dajcie mi spokój", "Beni rahat bırakın", "Déjenme en paz", "Lasciatemi in pace"]
)
def test_leave_me_alone_is_a_stop_in_any_language(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is Intent.STOP


@pytest.mark.parametrize("text", ["Wo ist da der Pferdefuß?", "Ist das ein Fortschritt?"])
def test_a_question_without_a_word_of_leaving_ends_nothing(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent not in (Intent.STOP, Intent.ASK_STOP)


@pytest.mark.parametrize(
    "text",
    [
        "Hiermit erteile ich meine Zustimmung zum Empfang",
        "Ich willige in die Zusendung Ihrer Hinweise ein",
    ],
)
def test_a_declared_consent_is_asked_about_and_no_stop(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is Intent.ASK_START
    assert detect_text_intent(CitizenText("Ich ziehe meine Zustimmung zurück"), COUNTY).intent is Intent.STOP


@pytest.mark.parametrize(
    "text",
    [
        "ich will eure Infos nicht, wer hat euch das erlaubt",
        "Kündigen oder lieber nicht, ich weiß noch nicht",
        "Ich möchte überall raus",
        "Keine Meldungen mehr für Lilienthal und sonst auch gar nichts",
        "Stopp bitte, ich muss ins Krankenhaus",
        "Darum brauche ich die Gartensachen nicht mehr. Die Konzerte würde ich aber gern weiter lesen",
    ],
)
def test_whoever_may_want_to_leave_is_at_least_asked(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent in (Intent.ASK_STOP, Intent.STOP)


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("Alles abmelden bis auf die Konzerte", {"veranstaltungen"}),
        ("Bis auf Jobs alles weg", {"stellen"}),
        ("Das Wichtigste zu Sperrungen, nur das", {"strassensperrungen"}),
    ],
)
def test_all_but_one_topic_keeps_that_one(text: str, topics: set[str]) -> None:
    wish = detect_text_intent(CitizenText(text), COUNTY)
    assert (wish.intent, wish.topics) == (Intent.ONLY, frozenset(topics))


def test_a_return_ends_a_pause() -> None:
    wish = detect_text_intent(CitizenText("Bin verreist, komme am 14.2. zurück, bitte Pause"), COUNTY)
    assert (wish.intent, wish.until) == (Intent.PAUSE, Day(14, 2))


def test_greetings_choose_no_place() -> None:
    assert apply_rules(Findings(CitizenText("Viele Grüße aus Ritterhude")), COUNTY).places == frozenset()


@pytest.mark.parametrize("text", ["Mehr Stellenangebote bitte", "gern mehr Jobs"])
def test_more_of_a_topic_does_not_end_it(text: str) -> None:
    wish = detect_text_intent(CitizenText(text), COUNTY)
    assert (wish.intent, wish.topics) == (Intent.ADD, frozenset({"stellen"}))
    assert detect_text_intent(CitizenText("keine Jobs mehr"), COUNTY).intent is Intent.REMOVE


@pytest.mark.parametrize("text", ["Alles andere als Jobs ist mir egal", "zxcvb"])
def test_nobody_is_taken_to_leave_by_words_of_something_else(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent in (
        Intent.TOPICS,
        Intent.HELP,
        Intent.ONLY,
        Intent.OTHER,
    )


@pytest.mark.parametrize(
    "text",
    [
        "Vorrei annullare l'iscrizione, grazie",
        "Come posso disiscrivermi?",
        "别再给我发信息",
        "Jeg ønsker at blive afmeldt",
        "Ik wil me graag uitschrijven",
    ],
)
def test_more_ways_to_leave_in_other_languages(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is Intent.STOP


@pytest.mark.parametrize("end", ["", " dabei sein", " mitlesen"])
def test_whoever_has_moved_and_wants_to_be_back_is_asked(end: str) -> None:
    text = f"Ich bin umgezogen und hatte mich abgemeldet, jetzt möchte ich wieder{end}"
    assert detect_text_intent(CitizenText(text), COUNTY).intent is Intent.ASK_START
    subscriber, answer = play_dialogue("Start", "Stop", text)
    assert subscriber is not None
    assert not subscriber.subscribed
    assert answer == TEXTS.ask_start.text


@pytest.mark.parametrize(
    "text",
    [
        "Hab mich gestern vertippt und stop geschrieben, das war für meinen Bruder. "
        "Ich will die Nachrichten natürlich weiter haben",
        "Ich habe neulich Stop getippt, da hab ich mich verklickt. Die Meldungen möchte ich gern weiterhin bekommen.",
    ],
)
def test_whoever_reports_a_stop_by_mistake_and_wants_to_keep_our_messages_keeps_them(text: str) -> None:
    subscriber, answer = play_dialogue("Start", text)
    assert subscriber is not None
    assert subscriber.subscribed
    assert answer.startswith("Sie sind angemeldet.")
    assert play_dialogue("Start", "Stop", text)[1] == TEXTS.ask_start.text


@pytest.mark.parametrize(
    "text",
    [
        "Hab mich gestern vertippt und stopp geschrieben statt Stop. Ich will die Nachrichten nicht weiter haben",
        "Hab mich vertippt, habe Stop geschrieben. Ich will die Nachrichten weiter haben? Nein, Stop",
        "Hab mich vertippt und stop geschrieben. Keinesfalls will ich die Nachrichten weiter haben",
        "Vertippt und Stop geschrieben. Ich glaube nicht, dass ich Ihre Nachrichten weiter lesen will",
        "Vertippt. Stop geschrieben, aber die Nachrichten möchte ich nicht weiter bekommen",
    ],
)
def test_whoever_wrote_stop_badly_and_still_wants_to_leave_leaves(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is Intent.STOP


@pytest.mark.parametrize("end", ["", "?"])
def test_whoever_deletes_pictures_is_not_asked_about_leaving(end: str) -> None:
    text = CitizenText(f"Wie lösche ich denn die ganzen Bilder bei WhatsApp{end}")
    assert detect_text_intent(text, COUNTY).intent in (Intent.OTHER, Intent.HELP)

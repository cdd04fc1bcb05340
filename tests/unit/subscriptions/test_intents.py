"""Intents of citizens: a table of real-looking texts, and properties of any text."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.subscriptions.domain.intents.detection import detect_text_intent
from services.subscriptions.domain.intents.foreign_phrases import START as FOREIGN_START
from services.subscriptions.domain.intents.intent import Intent, ParsedIntent
from services.subscriptions.domain.intents.rules import Findings, apply_rules
from services.subscriptions.domain.intents.text import MAX_TEXT_LENGTH, CitizenText, tokenize
from services.subscriptions.domain.intents.vocabulary import POLITE, START_ALONE, START_AROUND
from tests.factories.citizens import COUNTY, build_message, parse_message
from tests.unit.subscriptions.cases import read_cases

CASES = read_cases()
BY_INTENT = {intent: [case.text for case in CASES if case.intent is intent] for intent in Intent}
ODD_TEXTS = ("st\u200bop", "Sto\u0336p", "Ku\u0308ndigung", "Stop\n\nbitte", "x " * 400 + "stop")
LEAVING_TEXTS = (*BY_INTENT[Intent.STOP], *ODD_TEXTS)
PLACE_WORDS = {word for name in COUNTY.municipalities for word in tokenize(name)}
TOPIC_WORDS = {word for names in COUNTY.topic_names.values() for name in names for word in tokenize(name)}
JOINING_WORDS = (
    START_ALONE
    | START_AROUND
    | POLITE
    | TOPIC_WORDS
    | PLACE_WORDS
    | {"melde", "melden", "meldet", "meld", "an", "ein", "das", "ihr", "euer", "ihren", "diesen", "nur", "und"}
)
foreign_start = FOREIGN_START.fullmatch
LETTERS = "abdefhilmnoprstuäöü"


def intent_of(text: str) -> Intent:
    return detect_text_intent(CitizenText(text), COUNTY).intent


def test_the_table_is_long_and_says_nothing_twice() -> None:
    texts = [case.text for case in CASES]
    assert len(texts) >= 300
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("intent", [intent for intent, texts in BY_INTENT.items() if texts])
def test_a_text_is_understood_as_a_person_would(intent: Intent) -> None:
    assert {text: found for text in BY_INTENT[intent] if (found := intent_of(text)) is not intent} == {}


@pytest.mark.parametrize("written", ["{}", "„{}“", "{} 😡", "Hallo, {}"])
def test_whoever_leaves_leaves_also_in_quotes_and_with_more_around(written: str) -> None:
    texts = map(written.format, LEAVING_TEXTS)
    assert {text: found for text in texts if (found := intent_of(text)) is not Intent.STOP} == {}


def test_whoever_leaves_in_capitals_leaves_or_is_asked() -> None:
    texts = map(str.upper, LEAVING_TEXTS)
    assert {text: found for text in texts if (found := intent_of(text)) not in (Intent.STOP, Intent.ASK_STOP)} == {}


def test_greetings_choose_no_place() -> None:
    assert apply_rules(Findings(CitizenText("Viele Grüße aus Ritterhude")), COUNTY).places == frozenset()


@pytest.mark.parametrize(
    ("payload", "label", "intent"),
    [
        ("stop", "Stop", Intent.STOP),
        ("stop", "Abbruch", Intent.STOP),
        ("start", "Ja", Intent.START),
        ("only:baustellen", "Nur Baustellen", Intent.ONLY),
        ("only:all", "Alle Themen", Intent.ONLY),
        ("remove:stellen", "Stellen", Intent.REMOVE),
        ("places:Grasberg", "Grasberg", Intent.ONLY),
        ("places:all", "Alle", Intent.PLACES),
        ("pause:14", "2 Wochen", Intent.PAUSE),
        ("rating:good:018f0000-0000-8000-8000-000000000001", "Hilfreich", Intent.RATING),
        ("only:wetter", "Wetter", Intent.TOPICS),
        ("topic:roads", "Stop", Intent.STOP),
        ("topic:roads", "Irgendetwas", Intent.OTHER),
        (None, "Stop", Intent.STOP),
    ],
)
def test_a_button_means_its_payload_before_its_label(payload: str | None, label: str, intent: Intent) -> None:
    assert parse_message(build_message(label, kind="interactive", payload=payload)).intent is intent


@pytest.mark.parametrize("kind", ["system", "unsupported", "unknown", "revoke", "call", "hologram"])
def test_what_nobody_wrote_to_us_means_nothing(kind: str) -> None:
    assert parse_message(build_message("Start", kind=kind)).intent is Intent.NOTHING


@pytest.mark.parametrize("kind", ["image", "audio", "location", "contacts", "sticker", "document"])
def test_what_is_no_text_is_something_else(kind: str) -> None:
    assert parse_message(build_message(None, kind=kind)).intent is Intent.OTHER


def test_an_edited_message_counts_as_what_it_says_now() -> None:
    assert parse_message(build_message("Stopp", kind="edit")).intent is Intent.STOP
    assert parse_message(build_message("👎", kind="reaction")) == ParsedIntent(intent=Intent.REACTION, value="👎")


@given(st.text(max_size=MAX_TEXT_LENGTH + 100), st.sampled_from(["text", "button", "edit", "reaction", "image", "x"]))
def test_any_text_means_something(text: str, kind: str) -> None:
    assert parse_message(build_message(text, kind=kind, payload=text[:256])).intent in Intent


@given(st.text(max_size=60) | st.sampled_from([case.text for case in CASES]))
def test_spelling_is_idempotent(text: str) -> None:
    once = tokenize(text)
    assert tokenize("  ".join(once)) == once


@given(
    st.text(max_size=40)
    | st.text(LETTERS, max_size=12)
    | st.lists(st.sampled_from([case.text for case in CASES]), min_size=1, max_size=3).map(" ".join)
)
@example("anmelde")
@example("START:NUR:STRAßENSPERRU")
@example("START:NUR:JOB:HÖREN:SEI:AUF")
@example("Start Baustellen Quatsch")
@example("starts")
@example("ja ich will")
def test_only_our_own_words_ever_join(text: str) -> None:
    words = [word for word in tokenize(text) if word not in POLITE]
    foreign = foreign_start(" ".join(words))
    joined = intent_of(text) is Intent.START and not foreign
    assert not joined or set(words) <= JOINING_WORDS
    assert not joined or set(words) & START_ALONE or words[-1] == "an"


@given(st.sampled_from(["start", "anmelden", "abonnieren", "anmeldung"]), st.data())
def test_a_typing_error_never_joins(word: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(word) - 1))
    letter = data.draw(st.sampled_from(LETTERS))
    for wrong in (
        word[:place] + letter + word[place + 1 :],
        word[:place] + word[place + 1 :],
        word[:place] + letter + word[place:],
    ):
        assert tokenize(wrong) == [word] or intent_of(wrong) is not Intent.START or wrong in START_ALONE


@given(st.sampled_from(["abmelden", "anmelden"]), st.integers(0, 7), st.sampled_from(LETTERS))
def test_signing_on_and_off_are_never_taken_for_each_other(word: str, place: int, letter: str) -> None:
    wrong = word[:place] + letter + word[place + 1 :]
    opposite = (Intent.START, Intent.ASK_START) if word == "abmelden" else (Intent.STOP, Intent.ERASE)
    assert intent_of(wrong) not in opposite or wrong in ("abmelden", "anmelden", "afmelden")


@given(st.sampled_from(BY_INTENT[Intent.STOP]), st.text("!. \n🎉„“\u200b", max_size=8), st.booleans())
def test_punctuation_does_not_keep_anybody_in(text: str, around: str, quoted: bool) -> None:
    assert intent_of(around + (f"»{text}«" if quoted else text) + around) is Intent.STOP

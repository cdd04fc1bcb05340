"""Long messages: what is asked at either end of them counts, however much is written between."""

import time
from itertools import cycle, islice

import pytest

from services.subscriptions.domain.intents.detection import sanitize_text
from services.subscriptions.domain.intents.intent import Intent
from services.subscriptions.domain.intents.text import MAX_TEXT_LENGTH, CitizenText, normalize_excerpt
from tests.factories.citizens import build_message, parse_message

EXPANDING = "\ufdfa"  # eighteen characters once it is normalised
GRUMBLE = "Seit Wochen ist der Radweg an der Hauptstraße kaum zu befahren, und niemand scheint das zu bemerken. "
COMPLAINT = (GRUMBLE * 14)[:1_300].rpartition(".")[0] + ". "
BRIEF = ("Die Straße war glatt. ", "Es regnete. ", "Die Sonne scheint. ", "Niemand war da. ")
LEAVING = (Intent.STOP, Intent.ERASE)


def detect_intent(text: str) -> Intent:
    """The intent of a text as it arrives: cut to what is stored of it."""
    return parse_message(sanitize_text(build_message(text))).intent


@pytest.mark.parametrize("length", [1_000, 1_200, 4_000])
@pytest.mark.parametrize(
    ("last", "intents"),
    [
        ("Bitte Stop.", (Intent.STOP,)),
        ("\nSTOP", (Intent.STOP,)),
        (
            "Stop\n\nMit freundlichen Grüßen\nErika Mustermann\nHauptstraße 1, 27711 Osterholz-Scharmbeck",
            (Intent.STOP,),
        ),
        ("Bitte melden Sie mich ab.", (Intent.STOP,)),
        ("Ich widerrufe meine Einwilligung und möchte, dass meine Daten gelöscht werden.", LEAVING),
        ("Löschen Sie alle meine Daten.", (Intent.ERASE,)),
    ],
)
def test_a_stop_or_an_erasure_at_the_end_of_a_long_message_counts(
    length: int, last: str, intents: tuple[Intent, ...]
) -> None:
    complaint = (COMPLAINT * 4)[:length].rpartition(". ")[0] + ". "
    assert detect_intent(complaint + last) in intents


@pytest.mark.parametrize("sentences", [2, 9, 11, 20, 30])
@pytest.mark.parametrize(
    ("last", "intent"),
    [
        ("Löschen Sie alle meine Daten.", Intent.ERASE),
        ("Keine Nachrichten mehr bitte.", Intent.STOP),
        ("Bitte Stop.", Intent.STOP),
    ],
)
def test_the_last_of_many_sentences_counts(sentences: int, last: str, intent: Intent) -> None:
    assert detect_intent("".join(islice(cycle(BRIEF), sentences)) + last) is intent


@pytest.mark.parametrize(
    ("last", "intent"),
    [("Löschen Sie alle meine Daten.", Intent.ASK_ERASE), ("Keine Nachrichten mehr bitte.", Intent.ASK_STOP)],
)
def test_a_clear_request_beside_much_about_something_else_is_asked_about(last: str, intent: Intent) -> None:
    said = "Der Bus kam zu spät. Es regnete. Die Sonne scheint. Niemand war da. "
    assert detect_intent(f"{said}{said}Der Bus kam zu spät. {last}") is intent


def test_a_stop_at_the_beginning_of_a_long_message_still_counts() -> None:
    assert detect_intent("Stop. " + COMPLAINT * 3) is Intent.STOP


def test_a_long_message_is_read_at_both_ends_in_bounded_length() -> None:
    for text in (EXPANDING * 4_000 + " Stop", COMPLAINT * 3 + "Stop", "Stop" * 1_000):
        assert len(normalize_excerpt(text)) <= MAX_TEXT_LENGTH
        assert normalize_excerpt(text).endswith("stop")
        assert sum(len(each.raw) for each in CitizenText(text).sentences) <= MAX_TEXT_LENGTH


def test_a_word_that_is_cut_is_no_word() -> None:
    for length in range(10):
        assert detect_intent("x" * (685 + length) + ". Stopfen" + " ist das so" * 300) is not Intent.STOP
        assert detect_intent(GRUMBLE * 20 + "ein Nonstop. " + "x" * (280 + length)) is not Intent.STOP


def test_feedback_keeps_its_first_thousand_characters() -> None:
    said = (GRUMBLE * 40).strip()
    parsed = parse_message(sanitize_text(build_message(f"Feedback: {said}")))
    assert (parsed.intent, parsed.text) == (Intent.FEEDBACK, said[:1_000])


def test_blanks_are_parsed_in_bounded_time() -> None:
    started = time.process_time()
    assert CitizenText("\N{IDEOGRAPHIC SPACE}" * 4096).clauses == []
    assert time.process_time() - started < 0.05

"""An explicit "Stop" ends everything, or the person is asked; no guess is above it."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.subscriptions.domain.intents.detection import detect_text_intent
from services.subscriptions.domain.intents.foreign_phrases import NO_MESSAGE_PHRASES
from services.subscriptions.domain.intents.intent import Intent
from services.subscriptions.domain.intents.text import CitizenText, tokenize
from services.subscriptions.domain.intents.vocabulary import STOP_SIGNS
from tests.unit.subscriptions.cases import read_cases
from tests.unit.subscriptions.factories import COUNTY, build_context, build_message, play_dialogue, understand_message

CASES = [case.text for case in read_cases("cases.txt") if case.intent is not Intent.EMERGENCY]
ASKED = (Intent.ASK_STOP, Intent.ASK_BOTH, Intent.ASK_ERASE)


BESIDE = ("Stop. {}", "{}. Stop.", "{}! Bitte Stop", "{}\nstopp\nDanke", "STOP! {}", "{} Stop.")


@given(st.sampled_from(CASES), st.sampled_from(BESIDE))
def test_a_stop_beside_anything_else_ends_unsubscribed_or_asked(case: str, beside: str) -> None:
    about_a_bus_stop = beside == "{} Stop." and STOP_SIGNS & set(tokenize(case)[-1:])
    assume(not about_a_bus_stop)
    text = beside.format(case)
    subscriber, _ = play_dialogue("Start")
    assert subscriber is not None
    after, outcome = understand_message(subscriber, build_message(text, seconds=60), build_context(seconds=61))
    assert after is not None
    assert not after.subscribed or detect_text_intent(CitizenText(text), COUNTY).intent in ASKED
    assert not after.subscribed or (outcome.reply is not None and "Stop" in outcome.reply.text)


@pytest.mark.parametrize(
    "text",
    [
        "Guten Morgen. Stop.",
        "woher haben sie meine nummer stop",
        "Hilfe, wie geht das? Stop",
        "Warum bekomme ich das? Stop!",
        "Stop. Und wie lange ist die B74 noch gesperrt?",
        "Das will ich alles nicht stop",
        "Schönes Wetter heute\nStop\nMfg",
    ],
)
def test_a_stop_beside_a_question_or_a_greeting_is_obeyed(text: str) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is Intent.STOP


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("Stop. Pause 2 Wochen", Intent.ASK_STOP),
        ("Stop. Nur noch Baustellen", Intent.ASK_STOP),
        ("Baustellen stop", Intent.REMOVE),
        ("Straßensperrungen stop!", Intent.REMOVE),
        ("stellen weg Stop.", Intent.ASK_STOP),
        ("Ich fahre kein Auto mehr, keine Sperrungen bitte Stop.", Intent.ASK_STOP),
        ("Stop Baustellen Stop.", Intent.ASK_STOP),
        ("Bauarbeiten bitte nicht mehr senden Stop.", Intent.ASK_STOP),
        ("Start. Stop.", Intent.ASK_BOTH),
        ("Stop! Bei uns brennt es im Keller", Intent.EMERGENCY),
        ("bitte nicht stop", Intent.OTHER),
        ("Was passiert wenn ich Stop schreibe?", Intent.HELP),
        ("Wo ist der nächste Bus Stop", Intent.OTHER),
    ],
)
def test_a_stop_that_is_about_something_is_not_overdone(text: str, intent: Intent) -> None:
    assert detect_text_intent(CitizenText(text), COUNTY).intent is intent


@pytest.mark.parametrize("phrase", NO_MESSAGE_PHRASES)
def test_a_stop_in_another_language_ends_unsubscribed_whatever_is_guessed(phrase: str) -> None:
    said = phrase.rstrip("*")
    for text in (said, f"Hallo, {said}. Danke"):
        subscriber, _ = play_dialogue("Start", text)
        assert subscriber is not None
        assert not subscriber.subscribed, text


def test_a_polite_stop_in_kurdish_ends_unsubscribed() -> None:
    subscriber, _ = play_dialogue("Start", "Ji kerema xwe ji min re neşînin")
    assert subscriber is not None
    assert not subscriber.subscribed

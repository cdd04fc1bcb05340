"""An explicit "Stop" ends everything, or the person is asked; no prediction is above it."""

from hypothesis import assume, given
from hypothesis import strategies as st

from services.subscriptions.domain.intents.detection import detect_text_intent
from services.subscriptions.domain.intents.foreign_phrases import NO_MESSAGE_PHRASES
from services.subscriptions.domain.intents.intent import Intent
from services.subscriptions.domain.intents.text import CitizenText, tokenize
from services.subscriptions.domain.intents.vocabulary import STOP_SIGNS
from tests.factories.citizens import COUNTY, build_context, build_message, play_dialogue, subscribe, understand_message
from tests.unit.subscriptions.cases import read_cases

CASES = [case.text for case in read_cases() if case.intent is not Intent.EMERGENCY]
ASKED = (Intent.ASK_STOP, Intent.ASK_BOTH, Intent.ASK_ERASE)
BESIDE = ("Stop. {}", "{}. Stop.", "{}! Bitte Stop", "{}\nstopp\nDanke", "STOP! {}", "{} Stop.")


@given(st.sampled_from(CASES), st.sampled_from(BESIDE))
def test_a_stop_beside_anything_else_ends_unsubscribed_or_asked(case: str, beside: str) -> None:
    about_a_bus_stop = beside == "{} Stop." and STOP_SIGNS & set(tokenize(case)[-1:])
    assume(not about_a_bus_stop)
    text = beside.format(case)
    after, outcome = understand_message(subscribe(), build_message(text, seconds=60), build_context(seconds=61))
    assert after is not None
    assert not after.subscribed or detect_text_intent(CitizenText(text), COUNTY).intent in ASKED
    assert not after.subscribed or (outcome.reply is not None and "Stop" in outcome.reply.text)


def test_a_stop_in_another_language_ends_unsubscribed_whatever_is_predicted() -> None:
    said = [phrase.rstrip("*") for phrase in NO_MESSAGE_PHRASES]
    said += [f"Hallo, {phrase}. Danke" for phrase in said]
    said.append("Ji kerema xwe ji min re neşînin")
    for text in said:
        subscriber, _ = play_dialogue("Start", text)
        assert subscriber is not None
        assert not subscriber.subscribed, text

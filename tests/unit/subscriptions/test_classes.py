"""Classes of messages that were misunderstood once, each with variants."""

from collections import defaultdict

import pytest

from services.subscriptions.domain.intents.detection import detect_text_intent
from services.subscriptions.domain.intents.intent import Intent, ParsedIntent
from services.subscriptions.domain.intents.text import CitizenText
from tests.factories.citizens import COUNTY, TEXTS, build_message, understand_message
from tests.unit.subscriptions.cases import ClassifiedText, read_classes

CLASSES: dict[str, list[ClassifiedText]] = defaultdict(list)
for _each in read_classes():
    CLASSES[_each.name].append(_each)


def format_slots(parsed: ParsedIntent, text: str) -> dict[str, str]:
    """As the file writes them."""
    until = parsed.until and [str(part) for part in (parsed.until.day, parsed.until.month, parsed.until.year) if part]
    return {
        "topics": "all" if parsed.topics == COUNTY.topic_ids else ",".join(sorted(parsed.topics)),
        "places": "all" if parsed.every_place else ",".join(sorted(parsed.places)),
        **{name: "" if (at := getattr(parsed, name)) is None else str(at) for name in ("days", "weekday", "easter")},
        "until": ".".join(until or ()),
        "text": "all" if parsed.text == text else parsed.text,
    }


def is_answered_with(text: str, wording: str) -> bool:
    _, outcome = understand_message(None, build_message(text))
    return outcome.reply is not None and outcome.reply.wording == getattr(TEXTS, wording)


def is_understood(case: ClassifiedText) -> bool:
    parsed = detect_text_intent(CitizenText(case.text), COUNTY)
    words = case.expected.split()
    slots = dict(word.split("=") for word in words if "=" in word)
    intents = {Intent(word) for word in words if word != "not" and "=" not in word}
    wording = slots.pop("answer", None)
    return (
        (not intents or (parsed.intent in intents) != ("not" in words))
        and slots.items() <= format_slots(parsed, case.text).items()
        and (wording is None or is_answered_with(case.text, wording))
    )


@pytest.mark.parametrize("name", CLASSES)
def test_each_text_of_a_class_is_understood(name: str) -> None:
    assert [(case.expected, case.text) for case in CLASSES[name] if not is_understood(case)] == []


@pytest.mark.parametrize("word", ["Rückmeldung", "Feedback", "Lob", "Kritik", "Mein Wunsch"])
@pytest.mark.parametrize("text", ["bitte mehr Veranstaltungen für Kinder", "keine Jobs mehr", "mehr aus Worpswede"])
def test_what_is_introduced_as_feedback_changes_no_topics(word: str, text: str) -> None:
    parsed = detect_text_intent(CitizenText(f"{word}: {text}"), COUNTY)
    assert (parsed.intent, parsed.text) == (Intent.FEEDBACK, text)

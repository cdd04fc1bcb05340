"""Our own replies and notices, sent back: nothing in them is a request, and words beside them are."""

import json
import re
from itertools import chain
from pathlib import Path

import pytest

from services.subscriptions.domain.intents.detection import detect_intent
from services.subscriptions.domain.intents.intent import Intent
from services.subscriptions.domain.intents.text import CitizenText
from services.subscriptions.domain.privacy import NOTHING_STORED, build_access_report
from tests.factories.citizens import ANSWERS, COUNTY, NOON, TEXTS, build_message, build_time
from tools.docs.privacy_texts import PARTS, answer_to, build_example

REPLIES = sorted(
    {
        *(answer_to(sample.state, sample.text).text for sample in chain.from_iterable(PARTS.values())),
        *(wording.text for wording in TEXTS.list_all()),
        build_access_report(*build_example(), ANSWERS, build_time(60)).text,
        build_access_report(None, NOTHING_STORED, ANSWERS, NOON).text,
    }
)
NOTICES = sorted(
    {
        "\n".join(part["text"] for part in template["components"] if part["type"] in ("BODY", "FOOTER"))
        for template in json.loads(Path("deploy/config/templates.json").read_text())
    }
)
HARMLESS = {Intent.HELP, Intent.OTHER, Intent.FEEDBACK, Intent.NOTHING} | {
    Intent.ASK_STOP, Intent.ASK_START, Intent.ASK_BOTH, Intent.ASK_ERASE}  # fmt: skip


def detect(text: str) -> Intent:
    return detect_intent(build_message(text), CitizenText(text), COUNTY).intent


@pytest.mark.parametrize("text", [reply for reply in REPLIES if "\n" in reply])
def test_a_reply_that_comes_back_requests_nothing(text: str) -> None:
    assert detect(text) in {Intent.HELP, Intent.ASK_STOP}
    copied = f"[30.11.26, 12:00] Landkreis Osterholz: {text}"
    assert detect(copied) in {Intent.HELP, Intent.ASK_STOP}


@pytest.mark.parametrize("text", NOTICES)
def test_a_notice_that_comes_back_ends_nothing(text: str) -> None:
    filled = re.sub("{{text}}", "Am Samstag, 14. November, 10 bis 16 Uhr.", text)
    assert detect(re.sub("{{headline}}", "Tag der offenen Tür im Kreishaus", filled)) in HARMLESS


@pytest.mark.parametrize("text", [reply for reply in REPLIES if "\n" in reply])
@pytest.mark.parametrize(
    ("words", "intent"), [("Stop", Intent.STOP), ("Löschen", Intent.ERASE), ("Pause 2 Wochen", Intent.PAUSE)]
)
def test_words_beside_one_of_our_texts_count(text: str, words: str, intent: Intent) -> None:
    assert detect(f"{words}\n\n{text}") is intent
    assert detect(f"{text}\n{words}") is intent


@pytest.mark.parametrize("text", NOTICES)
def test_a_stop_beside_a_notice_counts(text: str) -> None:
    assert detect(f"Stop\n{text}") is Intent.STOP


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("Abmelden: Stop", Intent.STOP),
        ("Abmelden: Stop\nMit freundlichen Grüßen\nErika Musterfrau", Intent.STOP),
        ("Guten Tag\nAnmelden: Start", Intent.START),
        ("Löschen: alles löschen", Intent.ERASE),
        ("1 Veranstaltungen\n3 Baustellen", Intent.ONLY),
    ],
)
def test_a_short_line_of_ours_may_be_a_request(text: str, intent: Intent) -> None:
    assert detect(text) is intent

"""The words that an editor is shown are those that subscriptions recognises."""

from datetime import UTC, datetime

from services.newsroom.handlers.trials import DraftTrial
from services.subscriptions.domain.intents.intent import Intent
from tests.factories.citizens import build_message, parse_message

TRIAL = DraftTrial(code="04821773", ends_at=datetime(2026, 11, 28, tzinfo=UTC))


def test_what_is_shown_is_understood() -> None:
    parsed = parse_message(build_message(TRIAL.words))
    assert (parsed.intent, parsed.value) == (Intent.TRIAL, TRIAL.code)


def test_the_link_opens_whatsapp_with_these_words() -> None:
    assert TRIAL.build_link("+49 4791 9300") == "https://wa.me/4947919300?text=Test%200482%201773"

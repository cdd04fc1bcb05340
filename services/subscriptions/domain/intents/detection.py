"""Detection of the one intent of a message."""

import re

from msgspec.structs import replace

from services.subscriptions.domain.county import County
from services.subscriptions.domain.intents.arbitration import resolve_intent
from services.subscriptions.domain.intents.classifier import IntentClassifier, load_classifier
from services.subscriptions.domain.intents.explicit_stop import apply_explicit_stop
from services.subscriptions.domain.intents.intent import Intent, ParsedIntent
from services.subscriptions.domain.intents.payloads import parse_payload
from services.subscriptions.domain.intents.rules import NOTHING, apply_rules
from services.subscriptions.domain.intents.text import read_words
from shared.contracts.inbound import InboundMessage
from shared.contracts.text import strip_controls

# Kinds of message that a person sends on purpose. System notices, types that WhatsApp does not support, calls and any
# future kind are not answered.
ANSWERED_KINDS = read_words("text button interactive image video audio document sticker location contacts order edit")
REACTION = "reaction"
MAX_STORED_TEXT_LENGTH = 1_200  # the longest feedback text and the word that introduces it
_TRIAL = re.compile(r"\s*test\s*([0-9]{4})\s?([0-9]{4})[\s.]*", re.IGNORECASE)


def sanitize_text(message: InboundMessage) -> InboundMessage:
    """Return the message with a text that can be stored, and parsed in bounded time."""
    return replace(message, text=strip_controls(message.text[:MAX_STORED_TEXT_LENGTH])) if message.text else message


def detect_intent(message: InboundMessage, county: County) -> ParsedIntent:
    """Return the intent of a message: from a button's payload if it has a known one, else from its text."""
    if message.kind == REACTION:
        return ParsedIntent(intent=Intent.REACTION, value=message.text or "")
    if message.kind not in ANSWERED_KINDS:
        return NOTHING
    if message.kind == "edit" and not message.text:
        return NOTHING
    text = message.text or ""
    return parse_payload(message.payload or "", county) or _parse_trial(text) or detect_text_intent(text, county)


def _parse_trial(text: str) -> ParsedIntent | None:
    """Return the intent of the words that the newsroom asks an editor to send."""
    found = _TRIAL.fullmatch(text)
    return ParsedIntent(intent=Intent.TRIAL, value=found[1] + found[2]) if found else None


def detect_text_intent(text: str, county: County, by: IntentClassifier | None = None) -> ParsedIntent:
    """Return the intent of a text: from the rules where they are certain, else from the most similar examples."""
    parsed = resolve_intent(apply_rules(text, county), (by or load_classifier(county)).predict(text), text, county)
    return apply_explicit_stop(parsed, text)

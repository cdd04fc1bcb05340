"""From one message to one wish."""

from msgspec.structs import replace

from services.subscriptions.domain.county import County
from services.subscriptions.domain.language.explicit_stop import obey_stop
from services.subscriptions.domain.language.guessing import Guesser, guesser
from services.subscriptions.domain.language.intents import Intent, Wish
from services.subscriptions.domain.language.payloads import wish_of_payload
from services.subscriptions.domain.language.rules import NOTHING, wish_by_rules
from services.subscriptions.domain.language.spelling import vocabulary
from services.subscriptions.domain.language.weighing import weighed
from shared.contracts.inbound import InboundMessage
from shared.contracts.text import strip_controls

# Kinds that a person sends on purpose. System notices, what WhatsApp does not support, calls and whatever kind
# comes next are not answered.
SPOKEN = vocabulary("text button interactive image video audio document sticker location contacts order edit")
REACTION = "reaction"
LONGEST_TEXT = 1_200  # a feedback as long as it may be, and the word that it begins with


def readable(message: InboundMessage) -> InboundMessage:
    """The message with a text that can be stored and is understood in a bounded time."""
    return replace(message, text=strip_controls(message.text[:LONGEST_TEXT])) if message.text else message


def understand(message: InboundMessage, county: County) -> Wish:
    """What one message asks for: a button's payload first, then what was written."""
    if message.kind == REACTION:
        return Wish(intent=Intent.REACTION, value=message.text or "")
    if message.kind not in SPOKEN:
        return NOTHING
    if message.kind == "edit" and not message.text:
        return NOTHING
    return wish_of_payload(message.payload or "", county) or wish_of(message.text or "", county)


def wish_of(text: str, county: County, by: Guesser | None = None) -> Wish:
    """What a text asks for: by the rules where they are certain, else by what others meant who wrote alike."""
    wish = weighed(wish_by_rules(text, county), (by or guesser(county)).guess(text), text, county)
    return obey_stop(wish, text)

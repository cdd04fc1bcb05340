"""From one message to one wish."""

from collections.abc import Sequence

from services.subscriptions.domain.county import County
from services.subscriptions.domain.language import phrases
from services.subscriptions.domain.language.asking import feedback_of, question_of
from services.subscriptions.domain.language.choosing import choice_of
from services.subscriptions.domain.language.emergency import is_emergency
from services.subscriptions.domain.language.intents import Intent, Wish
from services.subscriptions.domain.language.joining import joins, may_be_joining
from services.subscriptions.domain.language.leaving import complains, erases, leaves, may_be_leaving, wants_out
from services.subscriptions.domain.language.pausing import pause_of
from services.subscriptions.domain.language.payloads import wish_of_payload
from services.subscriptions.domain.language.spelling import vocabulary, words_of
from services.subscriptions.domain.language.typing_errors import meant
from services.subscriptions.domain.language.vocabulary import POLITE, START, STOP
from shared.contracts.inbound import InboundMessage

# Kinds that a person sends on purpose. System notices, what WhatsApp does not support, calls and whatever kind
# comes next are not answered.
SPOKEN = vocabulary("text button interactive image video audio document sticker location contacts order edit")
REACTION = "reaction"

OTHER = Wish(intent=Intent.OTHER)
NOTHING = Wish(intent=Intent.NOTHING)


def understand(message: InboundMessage, county: County) -> Wish:
    """What one message asks for: a button's payload first, then what was written."""
    if message.kind == REACTION:
        return Wish(intent=Intent.REACTION, value=message.text or "")
    if message.kind not in SPOKEN:
        return NOTHING
    if message.kind == "edit" and not message.text:
        return NOTHING
    return wish_of_payload(message.payload or "", county) or wish_of(message.text or "", county)


def wish_of(text: str, county: County) -> Wish:
    """What a text asks for. Where both leaving and anything else could be meant, it is leaving."""
    everything = words_of(text)
    words = [word for word in everything if word not in POLITE]
    feedback = feedback_of(text)
    if feedback and not leaves(words_of(feedback.text), feedback.text):
        return feedback
    leaving = _leaving(words, everything, text, county)
    if leaving:
        return leaving
    if is_emergency(words, text):
        return Wish(intent=Intent.EMERGENCY)
    if phrases.AUTOMATIC.search(" ".join(everything)):
        return NOTHING
    return _asking(words, everything, text, county)


def _leaving(words: Sequence[str], everything: Sequence[str], text: str, county: County) -> Wish | None:
    if erases(words):
        return Wish(intent=Intent.ERASE)
    if _either(words):
        return Wish(intent=Intent.ASK_BOTH)
    pause = pause_of(everything, text) if not set(words) & STOP else None
    if pause:
        return pause
    choice = choice_of(words, text, county)
    if choice and choice.intent is not Intent.TOPICS:
        return choice
    return Wish(intent=Intent.STOP) if leaves(words, text) else None


def _asking(words: Sequence[str], everything: Sequence[str], text: str, county: County) -> Wish:
    if complains(words):
        return Wish(intent=Intent.TOPICS)
    if joins(words, text):
        return Wish(intent=Intent.START)
    if phrases.JOINING.search(" ".join(words)) and may_be_joining(words):
        return Wish(intent=Intent.ASK_START)
    answer = question_of(words, text) or choice_of(words, text, county) or _typed(words)
    if answer:
        return answer
    if may_be_joining(words) and words:
        return Wish(intent=Intent.ASK_START)
    return Wish(intent=Intent.ASK_STOP) if may_be_leaving(everything) else OTHER


def _either(words: Sequence[str]) -> bool:
    """ "Anmelden oder abmelden?"."""
    return "oder" in words and bool(set(words) & START) and wants_out(words)


def _typed(words: Sequence[str]) -> Wish | None:
    intent = meant(words)
    return Wish(intent=intent) if intent else None

"""What a message means after a question of ours: "Ja", "Nein", "alle", an opinion, a "Start" with what was chosen."""

from datetime import datetime, timedelta

from services.subscriptions.domain.county import County
from services.subscriptions.domain.guard import Conversation
from services.subscriptions.domain.language.affirming import says_no, says_yes
from services.subscriptions.domain.language.asking import LONGEST_FEEDBACK
from services.subscriptions.domain.language.choosing import names_everything
from services.subscriptions.domain.language.intents import Intent, Wish
from services.subscriptions.domain.language.payloads import payload, wish_of_payload
from services.subscriptions.domain.subscriber import Moment
from shared.contracts.inbound import InboundMessage

# How long a question stays open. "Ja" a day later may answer something else.
OPEN_FOR = timedelta(hours=24)

START, STOP, PLACES = (payload(intent) for intent in (Intent.START, Intent.STOP, Intent.PLACES))
BOTH, ERASE, FEEDBACK = Intent.ASK_BOTH.value, Intent.ASK_ERASE.value, Intent.FEEDBACK.value
_ASKED_AGAIN = {BOTH: Intent.ASK_BOTH, ERASE: Intent.ASK_ERASE}


def understand_reply(wish: Wish, message: InboundMessage, conversation: Conversation, county: County) -> Wish:
    """Return what the message means if it answers the open question, else `wish`."""
    asked = _open_question(conversation, Moment.of(message).at)
    text = message.text or ""
    if not asked or message.payload:
        return wish
    if wish.intent is Intent.START and not wish.topics and not wish.places:
        return pending_start(conversation, county, message) or wish
    if asked == PLACES:
        everywhere = wish.intent is Intent.ONLY and names_everything(text)
        return Wish(intent=Intent.PLACES, every_place=True) if everywhere else wish
    if asked == FEEDBACK:
        said = wish.intent in (Intent.OTHER, Intent.FEEDBACK) and bool(text.strip())
        return Wish(intent=Intent.FEEDBACK, text=wish.text or text.strip()[:LONGEST_FEEDBACK]) if said else wish
    if says_yes(text):
        return _confirmed(asked, county) or wish
    return Wish(intent=Intent.DECLINE) if says_no(text) else wish


def pending_start(conversation: Conversation, county: County, message: InboundMessage) -> Wish | None:
    """Return what a person chose before they subscribed."""
    asked = _open_question(conversation, Moment.of(message).at)
    wish = wish_of_payload(asked, county) if asked.startswith(START) else None
    return wish if wish and (wish.topics or wish.places) else None


def _open_question(conversation: Conversation, said_at: datetime) -> str:
    """Empty unless the message was written after the question; Meta's clock counts whole seconds."""
    asked_at = conversation.counted_at
    if asked_at is None or not asked_at.replace(microsecond=0) <= said_at < asked_at + OPEN_FOR:
        return ""
    return conversation.asked


def _confirmed(asked: str, county: County) -> Wish | None:
    """Nothing is erased by a mere "Ja"."""
    again = _ASKED_AGAIN.get(asked)
    return Wish(intent=again) if again else wish_of_payload(asked, county)

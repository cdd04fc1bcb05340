"""Conversation with one person: the quota of replies, and answers to our questions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from services.subscriptions.domain.county import County
from services.subscriptions.domain.intents.intent import (
    MAX_FEEDBACK_LENGTH,
    Intent,
    ParsedIntent,
    build_payload,
    parse_payload,
)
from services.subscriptions.domain.intents.text import CitizenText, read_words
from services.subscriptions.domain.intents.topic_selection import is_everything
from services.subscriptions.domain.intents.vocabulary import POLITE
from services.subscriptions.domain.subscriber import MessageTime
from shared.contracts.inbound import InboundMessage

HINT_INTERVAL = timedelta(hours=24)
MAX_ANSWERS = 40.0
REFILL_INTERVAL = timedelta(minutes=6)
# Answers to emergencies beyond the quota.
EMERGENCY_RESERVE = 40.0


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """Time of the last hint, answers left in the quota at `counted_at`, and the open question.

    Hints are given at most once a day, and replies are limited so that two machines cannot chat.

    `open_question` is the payload that "Ja" stands for, asked at `asked_at`; empty if there was no question, or it has
    been answered.
    """

    hinted_at: datetime | None = None
    answers_left: float = MAX_ANSWERS
    counted_at: datetime | None = None
    open_question: str = ""
    asked_at: datetime | None = None

    def may_hint(self, sent_at: datetime) -> bool:
        return self.hinted_at is None or sent_at >= self.hinted_at + HINT_INTERVAL

    def record_answer(self, now: datetime, *, urgent: bool = False) -> "Conversation | None":
        """Return the conversation after one more answer; None if the quota is used up."""
        left = self._calculate_left(now) - 1
        if left < (-EMERGENCY_RESERVE if urgent else 0):
            return None
        return replace(self, answers_left=left, counted_at=now)

    def is_too_late(self, now: datetime) -> bool:
        """Return whether the time to answer the open question is over."""
        asked_at = self.asked_at or self.counted_at
        return asked_at is not None and now >= asked_at + MAX_QUESTION_AGE

    def ask(self, question: str, now: datetime) -> "Conversation":
        """Return the conversation after another question, or without one."""
        return replace(self, open_question=question, asked_at=now if question else None)

    def _calculate_left(self, now: datetime) -> float:
        if self.counted_at is None:
            return self.answers_left
        refilled = max(now - self.counted_at, timedelta()) / REFILL_INTERVAL
        return min(MAX_ANSWERS, self.answers_left + refilled)


NEW_CONVERSATION = Conversation()
_NEVER = datetime.min.replace(tzinfo=UTC)


def merge_conversations(conversations: Sequence[Conversation]) -> Conversation:
    """Merge the conversations of one person's addresses: the latest hint; all else from the one answered last."""
    hints = [conversation.hinted_at for conversation in conversations if conversation.hinted_at]
    latest = max(conversations, key=lambda conversation: conversation.counted_at or _NEVER, default=NEW_CONVERSATION)
    return replace(latest, hinted_at=max(hints, default=None))


# Time for which a question stays open. "Ja" a day later may answer something else.
MAX_QUESTION_AGE = timedelta(hours=24)

START, STOP, PLACES = (build_payload(intent) for intent in (Intent.START, Intent.STOP, Intent.PLACES))
BOTH, ERASE, FEEDBACK = Intent.ASK_BOTH.value, Intent.ASK_ERASE.value, Intent.FEEDBACK.value
_YES = read_words("""ja jaa jo joo jau jep jepp jap jupp jawohl jawoll jaha yes yep yeah gern gerne natuerlich klar
    sicher selbstverstaendlich unbedingt genau richtig stimmt einverstanden evet tak oui si da так да نعم بله""")
_YES_AROUND = read_words("""ich wir moechte moechten will wollen wuerde das es sehr na doch so ist mich mir uns jetzt
    bitte sofort machen mach tun ok okay""")
_NO = read_words("""nein nee ne noe naa nope no nicht keinesfalls niemals hayir nie non nu ні нет لا نه""")
_NO_AROUND = read_words("""ich wir moechte moechten will wollen das es lieber jetzt noch doch aber auf keinen fall gar
    mich erstmal """)
MAX_ANSWER_WORDS = 6
# To drop a topic is a withdrawal, which counts wherever it is found.
_ABOUT_TOPICS = frozenset((Intent.ONLY, Intent.ADD, Intent.TOPICS, Intent.PLACES))


def interpret_reply(
    parsed: ParsedIntent, message: InboundMessage, text: CitizenText, conversation: Conversation, county: County
) -> ParsedIntent:
    """Return the intent of the message if it answers the open question, else `parsed`."""
    question = _find_open_question(conversation, MessageTime.read_from(message).at)
    if not question or message.payload:
        return parsed
    if parsed.intent is Intent.START and not parsed.topics and not parsed.places:
        return find_pending_start(conversation, county, message) or parsed
    if question == PLACES:
        every_place = parsed.intent is Intent.ONLY and is_everything(text)
        return ParsedIntent(intent=Intent.PLACES, every_place=True) if every_place else parsed
    if question == FEEDBACK:
        said = text.raw.strip()[:MAX_FEEDBACK_LENGTH]
        is_feedback = bool(said) and _is_opinion(parsed, text)
        return ParsedIntent(intent=Intent.FEEDBACK, text=parsed.text or said) if is_feedback else parsed
    if is_yes(text):
        return _interpret_yes(question, county) or parsed
    return ParsedIntent(intent=Intent.DECLINE) if is_no(text) else parsed


def _is_opinion(parsed: ParsedIntent, text: CitizenText) -> bool:
    """Return whether the text that we asked for is one: "Bitte mehr für Kinder", but not "nur Stellen".

    A question is answered, but "Wieso kommen nur Sperrungen?" gives up no other topics.
    """
    is_asked = text.asks and parsed.intent is not Intent.ONLY
    is_about_topics = parsed.is_predicted and parsed.intent in _ABOUT_TOPICS and not is_asked
    return is_about_topics or parsed.intent in (Intent.OTHER, Intent.FEEDBACK)


def find_pending_start(conversation: Conversation, county: County, message: InboundMessage) -> ParsedIntent | None:
    """Return a start with what a person chose before they subscribed; None if they chose nothing.

    Return ASK_START if the county file no longer contains it.
    """
    question = _find_open_question(conversation, MessageTime.read_from(message).at)
    return parse_payload(question, county) if question.startswith(f"{START}:") else None


def _find_open_question(conversation: Conversation, sent_at: datetime) -> str:
    """Return the question if the message was written after it, else "". Meta's clock counts whole seconds."""
    asked_at = conversation.asked_at or conversation.counted_at
    if asked_at is None or not asked_at.replace(microsecond=0) <= sent_at < asked_at + MAX_QUESTION_AGE:
        return ""
    return conversation.open_question


def _interpret_yes(question: str, county: County) -> ParsedIntent | None:
    """Return the intent of a "Ja", which by itself never erases anything."""
    return ParsedIntent(intent=Intent(question)) if question in (BOTH, ERASE) else parse_payload(question, county)


def is_yes(text: CitizenText) -> bool:
    """Return whether the text is only a yes: "Ja bitte", "sehr gerne", "Ja, das möchte ich"."""
    words = _extract_words(text)
    return bool(words & _YES) and words <= _YES | _YES_AROUND


def is_no(text: CitizenText) -> bool:
    """Return whether the text is only a no: "Nein danke", "nö", "lieber nicht"."""
    words = _extract_words(text)
    return bool(words & _NO) and words <= _NO | _NO_AROUND


def _extract_words(text: CitizenText) -> frozenset[str]:
    return text.word_set - POLITE if len(text.words) <= MAX_ANSWER_WORDS and not text.asks else frozenset()

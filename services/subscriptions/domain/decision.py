"""What one inbound message does to a subscriber, and what is answered."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from services.subscriptions.domain import choices
from services.subscriptions.domain.answers import Answer, Answers
from services.subscriptions.domain.consent import Consent
from services.subscriptions.domain.feedback import Feedback
from services.subscriptions.domain.guard import NEW, Conversation
from services.subscriptions.domain.language.emergency import speaks_of_dying
from services.subscriptions.domain.language.intents import Intent, Wish
from services.subscriptions.domain.pauses import pause_note, pause_until
from services.subscriptions.domain.questions import pending_start, understand_reply
from services.subscriptions.domain.records import Stored, erased, record
from services.subscriptions.domain.subscriber import Moment, Subscriber
from shared.contracts.ids import timed_id
from shared.contracts.inbound import InboundMessage

# WhatsApp lets a business answer for 24 hours; the margin is for the way to the telephone.
REPLY_WITHIN = timedelta(hours=24) - timedelta(minutes=5)


class Result(StrEnum):
    """What became of a message. `SHOWN` is the person's own record.

    `QUIET` would have been answered, but there were enough answers.
    """

    STARTED = "started"
    RENEWED = "renewed"
    CHANGED = "changed"
    LEFT = "left"
    ENDED = "ended"
    ERASED = "erased"
    INFORMED = "informed"
    SHOWN = "shown"
    FEEDBACK = "feedback"
    REACTED = "reacted"
    MOVED = "moved"
    EMERGENCY = "emergency"
    HINTED = "hinted"
    QUIET = "quiet"
    IGNORED = "ignored"
    OUTDATED = "outdated"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result, the answer if any, and the conversation afterwards if there is one.

    `wish` is what was asked for, with the question before it in mind.
    """

    result: Result
    wish: Wish
    reply: Answer | None = None
    conversation: Conversation | None = None


@dataclass(frozen=True, kw_only=True)
class Situation:
    """All that a decision depends on besides the subscriber and the message.

    `history` is the person's consent record and `feedback` what they said, read only where it is asked for; `erased`
    is when the person last had everything deleted.
    """

    answers: Answers
    now: datetime
    conversation: Conversation = NEW
    history: tuple[Consent, ...] = ()
    feedback: tuple[Feedback, ...] = ()
    erased: Moment | None = None


@dataclass(frozen=True, kw_only=True)
class _Said:
    """One message in its situation."""

    wish: Wish
    message: InboundMessage
    situation: Situation

    @property
    def moment(self) -> Moment:
        return Moment.of(self.message)

    @property
    def answers(self) -> Answers:
        return self.situation.answers

    @property
    def now(self) -> datetime:
        return self.situation.now


Decided = tuple[Subscriber | None, Result, Answer | None]
_MERELY_ANSWERED = (Result.HINTED, Result.INFORMED, Result.SHOWN)


def decide(
    subscriber: Subscriber | None, wish: Wish, message: InboundMessage, situation: Situation
) -> tuple[Subscriber | None, Outcome]:
    """The subscriber as they are from now on, and what to do. Never raises.

    A message that something newer has overtaken changes nothing and is not answered.
    """
    wish = understand_reply(wish, message, situation.conversation, situation.answers.county)
    said = _Said(wish=wish, message=message, situation=situation)
    if wish.intent is Intent.NOTHING:
        return subscriber, Outcome(result=Result.IGNORED, wish=wish)
    if _outdated(subscriber, said):
        return subscriber, Outcome(result=Result.OUTDATED, wish=wish)
    after, result, answer = _DECISIONS.get(wish.intent, _other)(subscriber, said)
    return after, _answered(result, answer, said)


def reply_expires_at(message: InboundMessage) -> datetime:
    """The moment from which on a reply cannot be sent any more."""
    return Moment.of(message).at + REPLY_WITHIN


def _answered(result: Result, answer: Answer | None, said: _Said) -> Outcome:
    """An answer that is too late or one too many is not given."""
    if answer is None or said.now >= reply_expires_at(said.message):
        return Outcome(result=result, wish=said.wish)
    conversation = said.situation.conversation.answered(said.now, urgent=result is Result.EMERGENCY)
    if conversation is None:
        return Outcome(result=Result.QUIET if result in _MERELY_ANSWERED else result, wish=said.wish)
    if result is Result.HINTED:
        conversation = replace(conversation, hinted_at=said.moment.at)
    conversation = replace(conversation, asked=_open_question(result, answer, said))
    return Outcome(result=result, wish=said.wish, reply=answer, conversation=conversation)


def _open_question(result: Result, answer: Answer, said: _Said) -> str:
    """A question stays open while others are answered, until something comes of it or another one is asked."""
    closed = said.wish.intent is Intent.DECLINE or result not in (*_MERELY_ANSWERED, Result.EMERGENCY)
    return answer.asks or ("" if closed else said.situation.conversation.asked)


def _outdated(subscriber: Subscriber | None, said: _Said) -> bool:
    """A stop is overtaken by a newer start only; a choice by any newer word."""
    moment, erased_at = said.moment, said.situation.erased
    if said.wish.intent is Intent.EMERGENCY:
        return False
    if erased_at is not None and moment < erased_at:
        return True
    if subscriber is None:
        return False
    if said.wish.intent in (Intent.STOP, Intent.ERASE) and (subscriber.subscribed or subscriber.suspended):
        return subscriber.started is not None and moment < subscriber.started
    newest = subscriber.changed if said.wish.intent is Intent.START else subscriber.said
    return newest is not None and moment < newest


def _start(subscriber: Subscriber | None, said: _Said) -> Decided:
    before = subscriber or _unknown(said.message)
    topics = _topics_to_start(before, said)
    after = before.start(said.moment, topics, said.message.sender, said.wish.places)
    if before.subscribed and (before.topics, before.places) == (after.topics, after.places):
        return after, Result.RENEWED, said.answers.already(after, said.now)
    return after, Result.STARTED, said.answers.receipt(after)


def _topics_to_start(before: Subscriber, said: _Said) -> frozenset[str]:
    """All topics unless some are named. A pause ends without bringing back what was dropped."""
    known = said.answers.county.topic_ids
    if said.wish.topics:
        return said.wish.topics | before.topics
    return before.topics if before.pauses(said.now) else known


def _stop(subscriber: Subscriber | None, said: _Said) -> Decided:
    before = subscriber or _unknown(said.message)
    return before.stop(said.moment), Result.ENDED, Answer(said.answers.texts.farewell)


def _erase(subscriber: Subscriber | None, said: _Said) -> Decided:
    before = subscriber or _unknown(said.message)
    consented = before.started is not None or bool(said.situation.history)
    return before.stop(said.moment), Result.ERASED, erased(said.answers, said.now, consented=consented)


def _choose(subscriber: Subscriber | None, said: _Said) -> Decided:
    if subscriber is None or not subscriber.subscribed:
        return _ask_start(subscriber, said)
    after = choices.chosen(subscriber, said.wish, said.moment)
    return _changed(subscriber, after, said)


def _leave(subscriber: Subscriber | None, said: _Said) -> Decided:
    if subscriber is None or not subscriber.subscribed:
        return subscriber, Result.INFORMED, Answer(said.answers.texts.not_subscribed)
    after = subscriber.choose(subscriber.topics - said.wish.topics, subscriber.places, said.moment)
    return _changed(subscriber, after, said)


def _changed(before: Subscriber, after: Subscriber, said: _Said) -> Decided:
    if not after.subscribed:
        return after, Result.ENDED, Answer(said.answers.texts.farewell)
    result = Result.LEFT if before.topics - after.topics else Result.CHANGED
    return after, result, said.answers.chosen(after, said.now)


def _places(subscriber: Subscriber | None, said: _Said) -> Decided:
    if said.wish.every_place:
        return _choose(subscriber, said)
    if subscriber is None or not subscriber.subscribed:
        return subscriber, Result.INFORMED, said.answers.topics_of_a_stranger()
    return subscriber, Result.INFORMED, said.answers.places(subscriber, said.now)


def _pause(subscriber: Subscriber | None, said: _Said) -> Decided:
    if subscriber is None or not subscriber.subscribed:
        return subscriber, Result.INFORMED, Answer(said.answers.texts.not_subscribed)
    until = pause_until(said.wish, said.now)
    after = subscriber.pause(until, said.moment)
    return after, Result.CHANGED, said.answers.paused(until, pause_note(said.wish, said.now))


def _resume(subscriber: Subscriber | None, said: _Said) -> Decided:
    if subscriber is None or not subscriber.subscribed:
        return subscriber, Result.INFORMED, said.answers.ask_start()
    if not subscriber.pauses(said.now):
        return subscriber, Result.INFORMED, said.answers.already(subscriber, said.now)
    after = subscriber.pause(None, said.moment)
    return after, Result.CHANGED, said.answers.resumed(after, said.now)


def _topics(subscriber: Subscriber | None, said: _Said) -> Decided:
    if subscriber is None or not subscriber.subscribed:
        return subscriber, Result.INFORMED, said.answers.topics_of_a_stranger()
    return subscriber, Result.INFORMED, said.answers.topics(subscriber, said.now)


def _ask_start(subscriber: Subscriber | None, said: _Said) -> Decided:
    if subscriber is not None and subscriber.subscribed:
        return subscriber, Result.INFORMED, said.answers.already(subscriber, said.now)
    chosen = pending_start(said.situation.conversation, said.answers.county, said.message) or said.wish
    topics, places = said.wish.topics or chosen.topics, said.wish.places or chosen.places
    return subscriber, Result.INFORMED, said.answers.ask_start(topics, places)


def _ask_stop(subscriber: Subscriber | None, said: _Said) -> Decided:
    if subscriber is None or not subscriber.subscribed:
        return _other(subscriber, said)
    return subscriber, Result.INFORMED, said.answers.ask_stop()


def _ask_erase(subscriber: Subscriber | None, said: _Said) -> Decided:
    return subscriber, Result.INFORMED, said.answers.ask_erase()


def _decline(subscriber: Subscriber | None, said: _Said) -> Decided:
    """Whatever we asked, nothing changes."""
    if subscriber is None or not subscriber.subscribed:
        return subscriber, Result.INFORMED, Answer(said.answers.texts.not_subscribed)
    return subscriber, Result.INFORMED, said.answers.already(subscriber, said.now)


def _ask_both(subscriber: Subscriber | None, said: _Said) -> Decided:
    return subscriber, Result.INFORMED, said.answers.ask_both()


def _data(subscriber: Subscriber | None, said: _Said) -> Decided:
    situation = said.situation
    stored = Stored(
        subscriber=subscriber,
        history=situation.history,
        feedback=situation.feedback,
        conversation=situation.conversation,
        erased_at=situation.erased.at if situation.erased else None,
    )
    return subscriber, Result.SHOWN, record(stored, said.answers, said.now, said.wish.part)


def _help(subscriber: Subscriber | None, said: _Said) -> Decided:
    return subscriber, Result.INFORMED, Answer(said.answers.texts.help)


def _why(subscriber: Subscriber | None, said: _Said) -> Decided:
    return subscriber, Result.INFORMED, Answer(said.answers.texts.why)


def _emergency(subscriber: Subscriber | None, said: _Said) -> Decided:
    texts = said.answers.texts
    dying = speaks_of_dying(said.message.text or "")
    return subscriber, Result.EMERGENCY, Answer(texts.emergency_dying if dying else texts.emergency)


def _feedback(subscriber: Subscriber | None, said: _Said) -> Decided:
    if not said.wish.text:
        return subscriber, Result.INFORMED, said.answers.ask_feedback()
    return subscriber, Result.FEEDBACK, Answer(said.answers.texts.feedback_thanks)


def _rating(subscriber: Subscriber | None, said: _Said) -> Decided:
    return subscriber, Result.FEEDBACK, Answer(said.answers.texts.feedback_thanks)


def _reaction(subscriber: Subscriber | None, said: _Said) -> Decided:
    """A tap that nobody expects an answer to."""
    known = subscriber is not None and subscriber.subscribed and said.message.about_key is not None
    return subscriber, Result.REACTED if known else Result.IGNORED, None


def _other(subscriber: Subscriber | None, said: _Said) -> Decided:
    if not said.situation.conversation.may_hint(said.moment.at):
        return subscriber, Result.QUIET, None
    return subscriber, Result.HINTED, Answer(said.answers.texts.hint)


def _unknown(message: InboundMessage) -> Subscriber:
    """Whoever writes first gets an id that a redelivery would give again."""
    identifier = timed_id(min(message.sent_at, message.received_at), b"subscriber", message.message_key)
    return Subscriber(id=identifier, addresses=message.sender)


_DECISIONS: dict[Intent, Callable[[Subscriber | None, _Said], Decided]] = {
    Intent.START: _start,
    Intent.STOP: _stop,
    Intent.ERASE: _erase,
    Intent.ASK_START: _ask_start,
    Intent.ASK_STOP: _ask_stop,
    Intent.ASK_BOTH: _ask_both,
    Intent.ASK_ERASE: _ask_erase,
    Intent.DECLINE: _decline,
    Intent.TOPICS: _topics,
    Intent.ONLY: _choose,
    Intent.ADD: _choose,
    Intent.REMOVE: _leave,
    Intent.PLACES: _places,
    Intent.PAUSE: _pause,
    Intent.RESUME: _resume,
    Intent.DATA: _data,
    Intent.HELP: _help,
    Intent.WHY: _why,
    Intent.FEEDBACK: _feedback,
    Intent.RATING: _rating,
    Intent.REACTION: _reaction,
    Intent.EMERGENCY: _emergency,
}

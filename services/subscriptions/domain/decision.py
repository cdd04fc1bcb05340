"""What one inbound message does to a subscriber, and what is answered."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.subscriptions.domain.subscriber import Moment, Subscriber
from services.subscriptions.domain.wording import Wording, Wordings
from services.subscriptions.domain.words import Intent, understand
from shared.contracts.ids import timed_id
from shared.contracts.inbound import InboundMessage

HINT_EVERY = timedelta(hours=24)
# WhatsApp lets a business answer for 24 hours; the margin is for the way to the telephone.
REPLY_WITHIN = timedelta(hours=24) - timedelta(minutes=5)


class Result(StrEnum):
    """What became of a message. `QUIET` would have been a hint, but there was one in the last 24 hours."""

    STARTED = "started"
    RENEWED = "renewed"
    ENDED = "ended"
    HINTED = "hinted"
    QUIET = "quiet"
    IGNORED = "ignored"
    OUTDATED = "outdated"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result and the text to answer with, if any."""

    result: Result
    reply: Wording | None = None


@dataclass(frozen=True, kw_only=True)
class Situation:
    """All that a decision depends on besides the subscriber and the message."""

    topics: frozenset[str]
    wordings: Wordings
    now: datetime
    hinted_at: datetime | None = None


def decide(
    subscriber: Subscriber | None, message: InboundMessage, situation: Situation
) -> tuple[Subscriber | None, Outcome]:
    """The subscriber as they are from now on, and what to do. Never raises.

    A message older than the newest start or stop changes nothing and is not answered.
    """
    intent = understand(message)
    if intent is Intent.NOTHING:
        return subscriber, Outcome(result=Result.IGNORED)
    if subscriber and _outdated(subscriber, intent, Moment.of(message)):
        return subscriber, Outcome(result=Result.OUTDATED)
    changed, outcome = _DECISIONS[intent](subscriber, message, situation)
    in_time = situation.now < reply_expires_at(message)
    return changed, outcome if in_time else Outcome(result=outcome.result)


def reply_expires_at(message: InboundMessage) -> datetime:
    """The moment from which on a reply cannot be sent any more."""
    return Moment.of(message).at + REPLY_WITHIN


def _outdated(subscriber: Subscriber, intent: Intent, moment: Moment) -> bool:
    """A stop inside WhatsApp ends some topics only: an older "Stop" still ends the rest."""
    if intent is Intent.STOP and subscriber.subscribed:
        return subscriber.started is not None and moment < subscriber.started
    return subscriber.changed is not None and moment < subscriber.changed


def _start(subscriber: Subscriber | None, message: InboundMessage, situation: Situation) -> tuple[Subscriber, Outcome]:
    before = subscriber or _unknown(message)
    after = before.start(Moment.of(message), situation.topics, message.sender)
    if before.topics == after.topics:
        return after, Outcome(result=Result.RENEWED, reply=situation.wordings.already)
    return after, Outcome(result=Result.STARTED, reply=situation.wordings.receipt)


def _stop(subscriber: Subscriber | None, message: InboundMessage, situation: Situation) -> tuple[Subscriber, Outcome]:
    before = subscriber or _unknown(message)
    return before.stop(Moment.of(message)), Outcome(result=Result.ENDED, reply=situation.wordings.farewell)


def _other(
    subscriber: Subscriber | None, message: InboundMessage, situation: Situation
) -> tuple[Subscriber | None, Outcome]:
    last = situation.hinted_at
    if last is not None and Moment.of(message).at < last + HINT_EVERY:
        return subscriber, Outcome(result=Result.QUIET)
    return subscriber, Outcome(result=Result.HINTED, reply=situation.wordings.hint)


def _unknown(message: InboundMessage) -> Subscriber:
    """Whoever writes first gets an id that a redelivery would give again."""
    identifier = timed_id(message.sent_at, b"subscriber", message.message_key)
    return Subscriber(id=identifier, addresses=message.sender)


_Decision = Callable[[Subscriber | None, InboundMessage, Situation], tuple[Subscriber | None, Outcome]]
_DECISIONS: dict[Intent, _Decision] = {Intent.START: _start, Intent.STOP: _stop, Intent.OTHER: _other}

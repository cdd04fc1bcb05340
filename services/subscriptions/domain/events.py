"""What a decision tells the dispatcher and the world, in the order of publishing."""

from collections.abc import Iterable

from services.subscriptions.domain.decision import Outcome, Result, reply_expires_at
from services.subscriptions.domain.publication import Publication, event, to_dispatch
from services.subscriptions.domain.subscriber import Moment, Subscriber, reached_at
from shared.contracts.dispatch import ReplyRequested, Withdrawal
from shared.contracts.events import (
    SubscriptionChanged,
    SubscriptionEnded,
    SubscriptionStarted,
)
from shared.contracts.ids import timed_id
from shared.contracts.inbound import InboundMessage


def ended(subscriber: Subscriber, *, moment: Moment, message_key: bytes, topic: str | None = None) -> Publication:
    """A withdrawal, which the dispatcher must hear."""
    identifier = timed_id(moment.at, b"ended", message_key, subscriber.id.bytes, (topic or "").encode())
    message = SubscriptionEnded(subscriber=subscriber.id, sequence=subscriber.sequence, at=moment.at, topic=topic)
    return event(message, identifier=identifier, at=moment.at, required=True)


def answers(
    message: InboundMessage, before: Subscriber | None, after: Subscriber | None, outcome: Outcome
) -> tuple[Publication, ...]:
    """What a decision publishes: a withdrawal is told before it is confirmed to the citizen."""
    new = after is not None and (before is None or after.sequence != before.sequence)
    told = _changes(message, before, after, outcome) if after and new and outcome.result is not Result.ERASED else ()
    return (*told, *_reply(message, after, outcome))


def _changes(
    message: InboundMessage, before: Subscriber | None, after: Subscriber, outcome: Outcome
) -> Iterable[Publication]:
    moment, key = Moment.of(message), message.message_key
    if not after.subscribed:
        yield ended(after, moment=moment, message_key=key)
        return
    for topic in sorted(before.topics - after.topics) if before else ():
        yield ended(after, moment=moment, message_key=key, topic=topic)
    if outcome.result is Result.STARTED:
        yield started(after, moment=moment, message_key=key)
    elif outcome.result is not Result.RENEWED:
        yield changed(after, moment=moment, message_key=key)


def started(subscriber: Subscriber, *, moment: Moment, message_key: bytes) -> Publication:
    """From now on they get something."""
    message = SubscriptionStarted(
        subscriber=subscriber.id,
        sequence=subscriber.sequence,
        topics=tuple(sorted(subscriber.topics)),
        at=moment.at,
    )
    return event(message, identifier=timed_id(moment.at, b"started", message_key), at=moment.at)


def changed(subscriber: Subscriber, *, moment: Moment, message_key: bytes) -> Publication:
    """They get something else from now on."""
    message = SubscriptionChanged(
        subscriber=subscriber.id,
        sequence=subscriber.sequence,
        topics=tuple(sorted(subscriber.topics)),
        municipalities=tuple(sorted(subscriber.places)),
        paused_until=subscriber.paused_until,
        at=moment.at,
    )
    return event(message, identifier=timed_id(moment.at, b"changed", message_key), at=moment.at)


def _reply(message: InboundMessage, subscriber: Subscriber | None, outcome: Outcome) -> Iterable[Publication]:
    recipient = reached_at(message.sender)
    if outcome.reply is None or recipient is None:
        return ()
    # A phone whose clock is weeks ahead must not put its reply into a week that is not there yet.
    reply = timed_id(min(message.sent_at, message.received_at), b"reply", message.message_key)
    request = ReplyRequested(
        reply=reply,
        recipient=recipient,
        text=outcome.reply.text,
        expires_at=reply_expires_at(message),
        buttons=outcome.reply.buttons,
        menu=outcome.reply.menu,
        withdrawal=_withdrawal(subscriber, outcome),
    )
    return (to_dispatch(request, key=request.KEY, identifier=reply, at=message.received_at),)


def _withdrawal(subscriber: Subscriber | None, outcome: Outcome) -> Withdrawal | None:
    if subscriber is None or outcome.result not in (Result.ENDED, Result.ERASED):
        return None
    return Withdrawal(subscriber=subscriber.id, sequence=subscriber.sequence)

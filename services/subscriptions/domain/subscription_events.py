"""Publications of a decision, for the dispatcher and the public, in the order of publishing."""

from collections.abc import Iterable

from services.subscriptions.domain.decision import Decision, MessageResult, calculate_reply_expiry
from services.subscriptions.domain.publication import Publication, build_dispatch_message, build_event
from services.subscriptions.domain.subscriber import MessageTime, Subscriber, select_address
from shared.contracts.dispatch import ReplyRequested, Withdrawal
from shared.contracts.events import (
    SubscriptionChanged,
    SubscriptionEnded,
    SubscriptionStarted,
)
from shared.contracts.ids import make_timed_id
from shared.contracts.inbound import InboundMessage


def build_ended(
    subscriber: Subscriber, *, moment: MessageTime, message_key: bytes, topic: str | None = None
) -> Publication:
    """Return the event of a withdrawal, which the dispatcher must receive."""
    identifier = make_timed_id(moment.at, b"ended", message_key, subscriber.id.bytes, (topic or "").encode())
    message = SubscriptionEnded(subscriber=subscriber.id, sequence=subscriber.sequence, at=moment.at, topic=topic)
    return build_event(message, identifier=identifier, at=moment.at, required=True)


def build_publications(
    message: InboundMessage, before: Subscriber | None, decision: Decision
) -> tuple[Publication, ...]:
    """Return the publications of a decision: a withdrawal goes out before its confirmation to the citizen."""
    after = decision.subscriber
    new = after is not None and (before is None or after.sequence != before.sequence)
    told = (
        _build_change_events(message, before, after, decision)
        if after and new and decision.result is not MessageResult.ERASED
        else ()
    )
    return (*told, *_build_reply(message, decision))


def _build_change_events(
    message: InboundMessage, before: Subscriber | None, after: Subscriber, decision: Decision
) -> Iterable[Publication]:
    moment, key = MessageTime.read_from(message), message.message_key
    if not after.subscribed:
        yield build_ended(after, moment=moment, message_key=key)
        return
    for topic in sorted(before.topics - after.topics) if before else ():
        yield build_ended(after, moment=moment, message_key=key, topic=topic)
    if decision.result is MessageResult.STARTED:
        yield build_started(after, moment=moment, message_key=key)
    elif decision.result is not MessageResult.RENEWED:
        yield build_changed(after, moment=moment, message_key=key)


def build_started(subscriber: Subscriber, *, moment: MessageTime, message_key: bytes) -> Publication:
    """Return the event that a person is subscribed from now on."""
    message = SubscriptionStarted(
        subscriber=subscriber.id,
        sequence=subscriber.sequence,
        topics=tuple(sorted(subscriber.topics)),
        at=moment.at,
    )
    return build_event(message, identifier=make_timed_id(moment.at, b"started", message_key), at=moment.at)


def build_changed(subscriber: Subscriber, *, moment: MessageTime, message_key: bytes) -> Publication:
    """Return the event that a person's topics, places or pause have changed."""
    message = SubscriptionChanged(
        subscriber=subscriber.id,
        sequence=subscriber.sequence,
        topics=tuple(sorted(subscriber.topics)),
        municipalities=tuple(sorted(subscriber.places)),
        paused_until=subscriber.paused_until,
        at=moment.at,
    )
    return build_event(message, identifier=make_timed_id(moment.at, b"changed", message_key), at=moment.at)


def _build_reply(message: InboundMessage, decision: Decision) -> Iterable[Publication]:
    recipient = select_address(message.sender)
    if decision.reply is None or recipient is None:
        return ()
    # A phone whose clock is weeks ahead must not put its reply into a week that has no partition yet.
    reply = make_timed_id(min(message.sent_at, message.received_at), b"reply", message.message_key)
    request = ReplyRequested(
        reply=reply,
        recipient=recipient,
        text=decision.reply.text,
        expires_at=calculate_reply_expiry(message),
        buttons=decision.reply.buttons,
        menu=decision.reply.menu,
        withdrawal=_build_withdrawal(decision),
    )
    return (build_dispatch_message(request, key=request.KEY, identifier=reply, at=message.received_at),)


def _build_withdrawal(decision: Decision) -> Withdrawal | None:
    subscriber = decision.subscriber
    if subscriber is None or decision.result not in (MessageResult.ENDED, MessageResult.ERASED):
        return None
    return Withdrawal(subscriber=subscriber.id, sequence=subscriber.sequence)

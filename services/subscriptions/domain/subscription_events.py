"""Events of subscriptions: who subscribed, chose, or withdrew."""

from services.subscriptions.domain.publication import Publication, build_event
from services.subscriptions.domain.subscriber import MessageTime, Subscriber
from shared.contracts.events import SubscriptionChanged, SubscriptionEnded, SubscriptionStarted
from shared.contracts.ids import make_timed_id


def build_ended(
    subscriber: Subscriber, *, moment: MessageTime, message_key: bytes, topic: str | None = None
) -> Publication:
    """Return the event of a withdrawal, which the dispatcher must receive."""
    identifier = make_timed_id(moment.at, b"ended", message_key, subscriber.id.bytes, (topic or "").encode())
    message = SubscriptionEnded(subscriber=subscriber.id, sequence=subscriber.sequence, at=moment.at, topic=topic)
    return build_event(message, identifier=identifier, at=moment.at, required=True)


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

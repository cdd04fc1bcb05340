"""Topics and municipalities after a choice."""

from dataclasses import replace

from services.subscriptions.domain.language.intents import Intent, Wish
from services.subscriptions.domain.subscriber import Moment, Subscriber


def chosen(subscriber: Subscriber, wish: Wish, moment: Moment) -> Subscriber:
    """What is named replaces what was chosen, or comes on top of it; what is not named stays."""
    topics = wish.topics or subscriber.topics
    places = wish.places or subscriber.places
    if wish.intent is Intent.ADD:
        topics, places = subscriber.topics | wish.topics, subscriber.places | wish.places
    if wish.every_place:
        places = frozenset()
    after = subscriber.choose(topics, places, moment)
    return after if wish.topics else replace(after, suspended=subscriber.suspended)

"""Topics and municipalities after a choice."""

from dataclasses import replace

from services.subscriptions.domain.intents.intent import Intent, ParsedIntent
from services.subscriptions.domain.subscriber import MessageTime, Subscriber


def apply_choice(subscriber: Subscriber, parsed: ParsedIntent, moment: MessageTime) -> Subscriber:
    """Replace the topics and places that are named, or add to them; those that are not named stay."""
    topics = parsed.topics or subscriber.topics
    places = parsed.places or subscriber.places
    if parsed.intent is Intent.ADD:
        topics, places = subscriber.topics | parsed.topics, subscriber.places | parsed.places
    if parsed.every_place:
        places = frozenset()
    after = subscriber.choose(topics, places, moment)
    return after if parsed.topics else replace(after, suspended=subscriber.suspended)

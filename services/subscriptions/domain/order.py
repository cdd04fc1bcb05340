"""Order of a person's messages, which may overtake each other: a newer one may make an older one void."""

from services.subscriptions.domain.intents.intent import Intent, ParsedIntent
from services.subscriptions.domain.subscriber import MessageTime, Subscriber, find_newest

# They change no subscription, so that nothing of it overtakes them.
_INDEPENDENT = frozenset((Intent.DATA, Intent.FEEDBACK, Intent.RATING, Intent.REACTION))
_CHOICES = frozenset((Intent.ONLY, Intent.ADD, Intent.PLACES))
_PAUSES = frozenset((Intent.PAUSE, Intent.RESUME))


def is_outdated(
    parsed: ParsedIntent,
    moment: MessageTime,
    subscriber: Subscriber | None,
    erased_at: MessageTime | None,
    existing: frozenset[str],
) -> bool:
    """Return whether newer requests leave nothing to do for one with this intent from this moment."""
    if parsed.intent is Intent.EMERGENCY:
        return False
    if erased_at is not None and moment < erased_at:
        return True
    if subscriber is None:
        return False
    newest = _find_rival(parsed.intent, subscriber)
    return (newest is not None and moment < newest) or _is_decided(parsed, moment, subscriber, existing)


def _find_rival(intent: Intent, subscriber: Subscriber) -> MessageTime | None:
    """Return the newest request that prevails over an older one with this intent.

    A start prevails over a stop or an erasure, a stop also over a start. Choices of different topics, of places and of
    a pause leave each other alone; to drop topics is a withdrawal, which only a newer start or a choice of the same
    ones undoes, and so is a pause, for a limited time.
    """
    if intent in _INDEPENDENT:
        return None
    if intent is Intent.STOP and subscriber.subscribed:
        return None
    if intent is Intent.ERASE or (intent is Intent.STOP and subscriber.suspended):
        return subscriber.started_at
    if intent is Intent.START:
        return subscriber.ended_at if subscriber.subscribed else subscriber.last_change
    return _find_rival_of_change(intent, subscriber) if subscriber.subscribed else subscriber.last_request


def _find_rival_of_change(intent: Intent, subscriber: Subscriber) -> MessageTime | None:
    if intent is Intent.REMOVE:
        return None
    if intent in _CHOICES:
        return subscriber.ended_at
    if intent in _PAUSES:
        return find_newest(subscriber.started_at, subscriber.paused_at)
    return subscriber.last_request


def _is_decided(parsed: ParsedIntent, moment: MessageTime, subscriber: Subscriber, existing: frozenset[str]) -> bool:
    """Return whether newer choices decide about everything that one from this moment names."""
    if parsed.intent in (Intent.START, Intent.STOP) and subscriber.subscribed:
        topics = subscriber.topics if parsed.intent is Intent.STOP else parsed.topics or existing
        is_older = subscriber.started_at is not None and moment < subscriber.started_at
        return is_older and not subscriber.list_open(topics, moment)
    names_places = bool(parsed.places or parsed.every_place)
    if parsed.intent not in (*_CHOICES, Intent.REMOVE) or not (parsed.topics or names_places):
        return False
    topics = existing if parsed.intent is Intent.ONLY and parsed.topics else parsed.topics
    return not subscriber.list_open(topics, moment) and not (names_places and subscriber.may_place(moment))

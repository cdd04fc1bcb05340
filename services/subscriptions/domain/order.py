"""Order of a person's messages, which may overtake each other: a newer one may make an older one void."""

from services.subscriptions.domain.county import County
from services.subscriptions.domain.intents.intent import Intent, ParsedIntent
from services.subscriptions.domain.subscriber import MessageTime, Subscriber, find_newest

# They change no subscription, so that nothing of it overtakes them.
_INDEPENDENT = frozenset((Intent.DATA, Intent.FEEDBACK, Intent.RATING, Intent.REACTION))
_STOPS = frozenset((Intent.STOP, Intent.ERASE))
_WITHDRAWALS = frozenset((*_STOPS, Intent.REMOVE))
_CHOICES = frozenset((Intent.ONLY, Intent.ADD, Intent.PLACES))
_PAUSES = frozenset((Intent.PAUSE, Intent.RESUME))


def is_outdated(
    parsed: ParsedIntent,
    moment: MessageTime,
    subscriber: Subscriber | None,
    erased_at: MessageTime | None,
    county: County,
) -> bool:
    """Return whether newer requests leave nothing to do for one with this intent from this moment."""
    if parsed.intent is Intent.EMERGENCY:
        return False
    if erased_at is not None and moment < erased_at:
        return True
    if subscriber is None:
        return False
    newest = _find_rival(parsed, subscriber)
    return (newest is not None and moment < newest) or _is_decided(parsed, moment, subscriber, county.topic_ids)


def _find_rival(parsed: ParsedIntent, subscriber: Subscriber) -> MessageTime | None:
    """Return the newest request that prevails over an older one with this intent, whatever it names.

    A start prevails over a stop or an erasure, a stop also over a start. Choices of different topics, of places and of
    a pause leave each other alone; to drop topics is a withdrawal, which only a newer start or a choice of the same
    ones undoes, and so is a pause, for a limited time.
    """
    intent = parsed.intent
    if intent in _INDEPENDENT or (intent in _WITHDRAWALS and (subscriber.subscribed or subscriber.suspended)):
        return None
    if intent is Intent.ERASE:
        return subscriber.started_at
    if intent is Intent.START:
        return subscriber.ended_at if subscriber.subscribed else subscriber.last_change
    return _find_rival_of_change(parsed, subscriber) if subscriber.subscribed else subscriber.last_request


def _find_rival_of_change(parsed: ParsedIntent, subscriber: Subscriber) -> MessageTime | None:
    if parsed.intent in _CHOICES:
        is_exact = parsed.intent is Intent.ONLY and parsed.topics  # a withdrawal of the other topics, too
        return None if is_exact else subscriber.ended_at
    if parsed.intent in _PAUSES:
        return find_newest(subscriber.started_at, subscriber.paused_at)
    return subscriber.last_request


def _is_decided(parsed: ParsedIntent, moment: MessageTime, subscriber: Subscriber, existing: frozenset[str]) -> bool:
    """Return whether newer choices decide about everything that one from this moment names."""
    intent, topics = parsed.intent, parsed.topics
    if intent is Intent.START:
        if subscriber.subscribed and not is_older_than_start(subscriber, moment):
            return False
        topics = topics or existing
    elif intent in _STOPS:
        if not is_older_than_start(subscriber, moment) or not (subscriber.subscribed or subscriber.suspended):
            return False
        topics = subscriber.topics | subscriber.suspended
    elif intent not in (*_CHOICES, Intent.REMOVE) or not (topics or parsed.places or parsed.every_place):
        return False
    elif intent is Intent.ONLY and topics:
        topics = existing
    may_name_places = intent not in _STOPS and (subscriber.subscribed or intent is not Intent.START)
    names_places = may_name_places and bool(parsed.places or parsed.every_place)
    return not subscriber.list_open(topics, moment) and not (names_places and subscriber.may_place(moment))


def is_older_than_start(subscriber: Subscriber, moment: MessageTime) -> bool:
    return subscriber.started_at is not None and moment < subscriber.started_at

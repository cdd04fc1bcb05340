"""Order of a person's messages, which may overtake each other: which of them a newer one leaves without effect."""

from services.subscriptions.domain.intents.intent import Intent
from services.subscriptions.domain.subscriber import MessageTime, Subscriber, find_newest

# They change no subscription, so that nothing of it overtakes them.
_INDEPENDENT = frozenset((Intent.DATA, Intent.FEEDBACK, Intent.RATING, Intent.REACTION))
_CHOICES = frozenset((Intent.ONLY, Intent.ADD, Intent.PLACES))
_PAUSES = frozenset((Intent.PAUSE, Intent.RESUME))


def is_outdated(
    intent: Intent, moment: MessageTime, subscriber: Subscriber | None, erased_at: MessageTime | None
) -> bool:
    """Return whether a newer request prevails over one with this intent from this moment."""
    if intent is Intent.EMERGENCY:
        return False
    if erased_at is not None and moment < erased_at:
        return True
    newest = _find_rival(intent, subscriber) if subscriber else None
    return newest is not None and moment < newest


def _find_rival(intent: Intent, subscriber: Subscriber) -> MessageTime | None:
    """Return the newest request that prevails over an older one with this intent.

    A start prevails over a stop or an erasure, a stop also over a start. A choice and a pause leave each other alone;
    to drop topics is a withdrawal, which only a newer start or choice undoes, and a pause is one for a time.
    """
    if intent in _INDEPENDENT:
        return None
    if intent is Intent.ERASE or (intent is Intent.STOP and (subscriber.subscribed or subscriber.suspended)):
        return subscriber.started_at
    if intent is Intent.START:
        return subscriber.last_change
    return _find_rival_of_change(intent, subscriber) if subscriber.subscribed else subscriber.last_request


def _find_rival_of_change(intent: Intent, subscriber: Subscriber) -> MessageTime | None:
    if intent is Intent.REMOVE:
        return subscriber.last_choice
    if intent in _CHOICES:
        return find_newest(subscriber.last_change, subscriber.chosen_at)
    if intent in _PAUSES:
        return find_newest(subscriber.started_at, subscriber.paused_at)
    return subscriber.last_request

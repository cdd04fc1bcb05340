"""Ids of our buttons and list rows, built and parsed in one place."""

from collections.abc import Iterable

from services.subscriptions.domain.county import County
from services.subscriptions.domain.intents.intent import Intent, ParsedIntent
from services.subscriptions.domain.intents.pause_limits import MAX_PAUSE_DAYS

_PLAIN = {
    intent.value: intent
    for intent in (
        Intent.START,
        Intent.STOP,
        Intent.TOPICS,
        Intent.PLACES,
        Intent.RESUME,
        Intent.DATA,
        Intent.ERASE,
        Intent.HELP,
        Intent.WHY,
    )
}
_ABOUT_TOPICS = {intent.value: intent for intent in (Intent.ONLY, Intent.ADD, Intent.REMOVE)}
EVERYTHING = "all"
MAX_ID_LENGTH = 256
GOOD, BAD = "good", "bad"


def build_payload(intent: Intent, about: str = "") -> str:
    """Return the id of a button that means this intent."""
    return f"{intent.value}:{about}" if about else intent.value


def build_start_payload(topics: Iterable[str] = (), places: Iterable[str] = ()) -> str:
    """Return the id of a button that subscribes to these; the places are omitted where it would be too long."""
    about, where = ",".join(sorted(topics)), ",".join(sorted(places))
    whole = build_payload(Intent.START, f"{about};{where}" if where else about)
    return whole if len(whole) <= MAX_ID_LENGTH else build_payload(Intent.START, about)


def parse_payload(payload: str, county: County) -> ParsedIntent | None:
    """Return the intent of one of our buttons; None for an unknown id, in which case the label counts."""
    name, _, about = payload.strip().casefold().partition(":")
    if name in _PLAIN and not about:
        return ParsedIntent(intent=_PLAIN[name])
    if name == Intent.START:
        return _parse_start(about, county)
    if name in _ABOUT_TOPICS:
        return _parse_topics(_ABOUT_TOPICS[name], about, county)
    if name == Intent.PLACES:
        return _parse_places(about, county)
    if name == Intent.PAUSE and about.isascii() and about.isdecimal() and len(about) < 4:
        return ParsedIntent(intent=Intent.PAUSE, days=max(1, min(MAX_PAUSE_DAYS, int(about))))
    if name == Intent.RATING:
        return _parse_rating(about)
    return None


def _parse_start(about: str, county: County) -> ParsedIntent | None:
    named, _, where = about.partition(";")
    topics = county.topic_ids & set(named.split(","))
    places = frozenset(name for name in county.municipalities if name.casefold() in where.split(","))
    return ParsedIntent(intent=Intent.START, topics=topics, places=places) if topics or places else None


def _parse_topics(intent: Intent, about: str, county: County) -> ParsedIntent | None:
    topics = county.topic_ids if about == EVERYTHING else county.topic_ids & set(about.split(","))
    return ParsedIntent(intent=intent, topics=topics) if topics else None


def _parse_places(about: str, county: County) -> ParsedIntent | None:
    if about == EVERYTHING:
        return ParsedIntent(intent=Intent.PLACES, every_place=True)
    place = next((name for name in county.municipalities if name.casefold() == about), None)
    return ParsedIntent(intent=Intent.ONLY, places=frozenset((place,))) if place else None


def _parse_rating(about: str) -> ParsedIntent | None:
    value, _, broadcast = about.partition(":")
    return ParsedIntent(intent=Intent.RATING, value=value, text=broadcast) if value in (GOOD, BAD) else None

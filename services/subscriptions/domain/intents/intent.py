"""Intents of messages, the intent of one message with its slots, and ids of buttons and list rows for intents."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from services.subscriptions.domain.county import County

MAX_PAUSE_DAYS = 366
MAX_FEEDBACK_LENGTH = 1_000
EVERYTHING = "all"
MAX_ID_LENGTH = 256
# Topics and municipalities as bits, after a hash of all of them in the county file.
_BITS = re.compile(r"#([0-9a-f]{16})([0-9a-f]+)")
GOOD, BAD = "good", "bad"


class Intent(StrEnum):
    """Request that a message expresses.

    `ASK_…` means that it is uncertain, so that the reply asks the person. `NOTHING` gets no answer. `DECLINE` is a
    "Nein" to one of our questions.
    """

    START = "start"
    STOP = "stop"
    ERASE = "erase"
    ASK_START = "ask_start"
    ASK_STOP = "ask_stop"
    ASK_BOTH = "ask_both"
    ASK_ERASE = "ask_erase"
    DECLINE = "decline"
    TOPICS = "topics"
    ONLY = "only"
    ADD = "add"
    REMOVE = "remove"
    PLACES = "places"
    PAUSE = "pause"
    RESUME = "resume"
    DATA = "data"
    HELP = "help"
    WHY = "why"
    FEEDBACK = "feedback"
    RATING = "rating"
    REACTION = "reaction"
    EMERGENCY = "emergency"
    TRIAL = "trial"
    OTHER = "other"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Day:
    """Day as people write it; without a year, the next such day.

    Month 0 is any month, day 31 then its last day. February 29 is the last day of February.
    """

    day: int
    month: int
    year: int | None = None


@dataclass(frozen=True, kw_only=True)
class ParsedIntent:
    """Intent with its slots.

    `topics` and `places` belong to ONLY, ADD, REMOVE, START and STOP. `days`, `until`, `weekday` (Monday is 0) or
    `easter` (days after Easter Sunday) give the length of a pause. `text` is the feedback text, or the broadcast that a
    rating is about; `value` is the rating, or the code of a TRIAL. `part` is the requested part of a long answer.
    `is_predicted` means that no rule matched.
    """

    intent: Intent
    topics: frozenset[str] = frozenset()
    places: frozenset[str] = frozenset()
    every_place: bool = False
    days: int | None = None
    until: Day | None = None
    weekday: int | None = None
    easter: int | None = None
    text: str = ""
    value: str = ""
    part: int = 1
    is_predicted: bool = field(default=False, compare=False)

    @property
    def has_limit(self) -> bool:
        """Return whether a pause has a length or an end."""
        return any(value is not None for value in (self.days, self.until, self.weekday, self.easter))


_PLAIN = frozenset((Intent.START, Intent.STOP, Intent.TOPICS, Intent.PLACES, Intent.RESUME, Intent.DATA, Intent.ERASE,
    Intent.HELP, Intent.WHY))  # fmt: skip
_ABOUT_TOPICS = frozenset((Intent.ONLY, Intent.ADD, Intent.REMOVE))
_ASK_START = ParsedIntent(intent=Intent.ASK_START)


def build_payload(intent: Intent, about: str = "") -> str:
    """Return the id of a button for this intent."""
    return f"{intent.value}:{about}" if about else intent.value


def build_start_payload(county: County, topics: Iterable[str] = (), places: Iterable[str] = ()) -> str:
    """Return the id of a button that subscribes to these; as bits if the names would be too long."""
    chosen_topics, chosen_places = frozenset(topics), frozenset(places)
    topic_list, place_list = ",".join(sorted(chosen_topics)), ",".join(sorted(chosen_places))
    payload = build_payload(Intent.START, f"{topic_list};{place_list}" if place_list else topic_list)
    if len(payload) <= MAX_ID_LENGTH:
        return payload
    chosen = [topic.id in chosen_topics for topic in county.topics]
    chosen += [place in chosen_places for place in county.municipalities]
    bits = sum(1 << index for index, is_chosen in enumerate(chosen) if is_chosen)
    return build_payload(Intent.START, f"#{_hash_choices(county)}{bits:x}")


def _hash_choices(county: County) -> str:
    names = "\0".join((*(topic.id for topic in county.topics), "", *county.municipalities))
    return hashlib.sha256(names.encode()).hexdigest()[:16]


def parse_payload(payload: str, county: County) -> ParsedIntent | None:
    """Return the intent of one of our buttons; None for an unknown id, in which case the label counts.

    If the county file no longer contains its topics or places, the intent is to list the existing ones, or to ask.
    """
    name, _, about = payload.strip().casefold().partition(":")
    if name in _PLAIN and not about:
        return ParsedIntent(intent=Intent(name))
    if name == Intent.START:
        return _parse_start(about, county)
    if name in _ABOUT_TOPICS:
        return _parse_topics(Intent(name), about, county)
    if name == Intent.PLACES:
        return _parse_places(about, county)
    if name == Intent.PAUSE and about.isascii() and about.isdecimal() and len(about) < 4:
        return ParsedIntent(intent=Intent.PAUSE, days=max(1, min(MAX_PAUSE_DAYS, int(about))))
    if name == Intent.RATING:
        return _parse_rating(about)
    return None


def _parse_start(about: str, county: County) -> ParsedIntent:
    """Return START, or the question whether to start if none of the named topics or places exists any longer."""
    if choice := _BITS.fullmatch(about):
        return _parse_bits(int(choice[2], 16), county) if choice[1] == _hash_choices(county) else _ASK_START
    topic_list, _, place_list = about.partition(";")
    topics = county.topic_ids & set(topic_list.split(","))
    places = frozenset(name for name in county.municipalities if name.casefold() in place_list.split(","))
    exist = (topics or not topic_list) and (places or not place_list) and (topics or places)
    return ParsedIntent(intent=Intent.START if exist else Intent.ASK_START, topics=topics, places=places)


def _parse_bits(bits: int, county: County) -> ParsedIntent:
    topics = frozenset(topic.id for index, topic in enumerate(county.topics) if bits >> index & 1)
    rest = bits >> len(county.topics)
    places = frozenset(place for index, place in enumerate(county.municipalities) if rest >> index & 1)
    return ParsedIntent(intent=Intent.START, topics=topics, places=places)


def _parse_topics(intent: Intent, about: str, county: County) -> ParsedIntent:
    topics = county.topic_ids if about == EVERYTHING else county.topic_ids & set(about.split(","))
    return ParsedIntent(intent=intent, topics=topics) if topics else ParsedIntent(intent=Intent.TOPICS)


def _parse_places(about: str, county: County) -> ParsedIntent:
    place = next((name for name in county.municipalities if name.casefold() == about), None)
    if place:
        return ParsedIntent(intent=Intent.ONLY, places=frozenset((place,)))
    return ParsedIntent(intent=Intent.PLACES, every_place=about == EVERYTHING)


def _parse_rating(about: str) -> ParsedIntent | None:
    value, _, broadcast = about.partition(":")
    return ParsedIntent(intent=Intent.RATING, value=value, text=broadcast) if value in (GOOD, BAD) else None

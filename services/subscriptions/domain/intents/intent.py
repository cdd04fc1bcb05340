"""The intents of messages, and the intent of one message with its slots."""

from dataclasses import dataclass
from enum import StrEnum


class Intent(StrEnum):
    """Request that a message expresses.

    `ASK_…` means that it is uncertain and the reply asks the person. `NOTHING` is not answered at all. `DECLINE` is a
    "Nein" to a question of ours.
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
    """Day as people write it; without a year the next one."""

    day: int
    month: int
    year: int | None = None


@dataclass(frozen=True, kw_only=True)
class ParsedIntent:
    """Intent with its slots.

    `topics` and `places` belong to ONLY, ADD, REMOVE, START and STOP. `days`, `until`, `weekday` (Monday is 0) or
    `easter` (days after Easter Sunday) give the length of a pause. `text` is the feedback text, or the broadcast that a
    rating is about; `value` is the rating, or the code of a TRIAL. `part` is the requested part of a long answer.
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

"""What one message asks for."""

from dataclasses import dataclass
from enum import StrEnum


class Intent(StrEnum):
    """`ASK_…` means that it is not sure: the answer asks back. `NOTHING` is not answered at all.

    `DECLINE` is a "Nein" to what was asked.
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
    OTHER = "other"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Day:
    """A day as people write it; without a year it is the next one."""

    day: int
    month: int
    year: int | None = None


@dataclass(frozen=True, kw_only=True)
class ParsedIntent:
    """The intent with what belongs to it.

    `topics` and `places` are what ONLY, ADD, REMOVE, START and STOP are about. `days`, `until`, `weekday`
    (Monday is 0) or `easter` (days after Easter Sunday) tell how long a pause is.
    `text` is a feedback's words, or the broadcast that a rating is about;
    `value` the rating. `part` is which part of a long answer is wanted.
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

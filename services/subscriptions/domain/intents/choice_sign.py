"""Signs before topics, places or numbers: "+ Jobs", "- 2"; and between numbers: "1-3"."""

import re

from services.subscriptions.domain.intents.intent import Intent, ParsedIntent
from services.subscriptions.domain.intents.text import CitizenText

_INTENTS = {"+": Intent.ADD, "-": Intent.REMOVE, "−": Intent.REMOVE, "–": Intent.REMOVE}
_SIGN = re.compile(r"(?:^|[\s,;])([+−–-])(?=\s*\w)")
_RANGE = re.compile(r"(?<![-–\d])(?<![-–] )(\d{1,2}) ?(?:[-–]|bis) ?(\d{1,2})(?! ?[-–\d])")


def find_sign(text: CitizenText) -> Intent | None:
    """Return the intent of the sign at the start, if there is one.

    Return TOPICS, to ask, if another one follows, and for a list of several lines: dashes before each may be bullets.
    """
    raw = text.raw.strip()
    signs = [_INTENTS[sign] for sign in _SIGN.findall(raw)] if raw[:1] in _INTENTS else []
    may_be_bullets = len(signs) > 1 and "\n" in raw and Intent.REMOVE in signs
    return Intent.TOPICS if may_be_bullets or len(set(signs)) > 1 else next(iter(signs), None)


def build_signed_choice(text: CitizenText, topics: frozenset[str], places: frozenset[str]) -> ParsedIntent | None:
    """Return the choice of what a sign precedes, or a list where it is unclear; None without a sign.

    The list of places is also shown to whoever would drop one.
    """
    sign = find_sign(text)
    if sign is None:
        return None
    if sign is Intent.ADD or (sign is Intent.REMOVE and not places):
        return ParsedIntent(intent=sign, topics=topics, places=places)
    return ParsedIntent(intent=Intent.PLACES if places else Intent.TOPICS)


def list_ranges(text: CitizenText) -> list[int]:
    """Return the numbers from the first to the last of "1-3" or "1 bis 3"; none if a dash is a sign or a comma."""
    bounds = (map(int, match.groups()) for match in _RANGE.finditer(text.normalized))
    return [number for first, last in bounds for number in range(first, last + 1)]

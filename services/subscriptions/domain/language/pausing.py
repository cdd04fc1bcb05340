"""How long somebody wants a pause, or that it is to end."""

import re
from collections.abc import Sequence
from itertools import pairwise

from services.subscriptions.domain.language.intents import Day, Intent, Wish
from services.subscriptions.domain.language.spelling import plain, vocabulary
from services.subscriptions.domain.language.vocabulary import AROUND, LEAVE, NO

LONGEST_DAYS = 366

_PAUSE = vocabulary("""pause pausieren pausiere pausiert unterbrechen unterbrechung unterbreche aussetzen pauza
    przerwa перерва пауза mola pausen""")
_HOLIDAY = vocabulary("urlaub verreist ferien weg")
_END = vocabulary("beenden beende ende aufheben vorbei abbrechen aus stoppen fertig zurueck")
_ON = vocabulary("weiter fortsetzen fortfahren weitermachen resume continue devam dalej далі продовжити")
_BACK = vocabulary("da zurueck")
_UNITS = {"tag": 1, "tage": 1, "tagen": 1, "day": 1, "days": 1, "woche": 7, "wochen": 7, "week": 7, "weeks": 7,
    "monat": 30, "monate": 30, "monaten": 30, "month": 30, "months": 30, "jahr": 365}  # fmt: skip
_NUMBERS = {"ein": 1, "eine": 1, "einen": 1, "einem": 1, "einer": 1, "zwei": 2, "drei": 3, "vier": 4, "fuenf": 5,
    "sechs": 6, "sieben": 7, "acht": 8, "neun": 9, "zehn": 10, "vierzehn": 14,
    "one": 1, "two": 2, "three": 3}  # fmt: skip
_MONTHS = ("januar", "februar", "maerz", "april", "mai", "juni", "juli", "august", "september", "oktober", "november",
    "dezember")  # fmt: skip
_AROUND = (
    AROUND
    | frozenset(_UNITS)
    | frozenset(_NUMBERS)
    | frozenset(_MONTHS)
    | _HOLIDAY
    | vocabulary("""mach bis machen mache im am lang lange fuer ca etwa naechsten naechste kommenden naechster in
    einlegen gehe fahre""")
)
_DATE = re.compile(
    r"\bbis\s+(?:zum\s+|zu\s+|einschl\w*\s+)?(\d{1,2})\s*\.\s*(\d{1,2}|[a-z]+)\.?\s*(\d{4}|\d{2})?(?!\d)"
)


def pause_of(words: Sequence[str], text: str) -> Wish | None:
    """The wish for a pause, or for its end."""
    said = {word for word in words if not word.isdecimal()}
    if said & _PAUSE and (said & _END or said & NO) and said <= _PAUSE | _END | _AROUND | NO | _ON:
        return Wish(intent=Intent.RESUME)
    if said & _ON and not said & NO and said <= _ON | AROUND | _HOLIDAY | _END:
        return Wish(intent=Intent.RESUME)
    if said & _BACK and "wieder" in said and said <= _BACK | AROUND | _HOLIDAY:
        return Wish(intent=Intent.RESUME)
    days, until = _days(words), _until(text)
    asked = said & _PAUSE or (said & _HOLIDAY and (days or until))
    if not asked or "?" in text or not said <= _PAUSE | _AROUND | LEAVE:
        return None
    return Wish(intent=Intent.PAUSE, days=days, until=until)


def _days(words: Sequence[str]) -> int | None:
    """The first number in front of a unit: "Guten Tag" is none."""
    for before, word in pairwise(words):
        number = _number(before)
        if word in _UNITS and number is not None:
            return max(1, min(LONGEST_DAYS, number * _UNITS[word]))
    return None


def _number(word: str) -> int | None:
    if word.isascii() and word.isdecimal() and len(word) <= SHORT_NUMBER:
        return int(word)
    return _NUMBERS.get(word)


SHORT_NUMBER = 3


def _until(text: str) -> Day | None:
    found = _DATE.search(plain(text))
    if found is None:
        return None
    month = int(found[2]) if found[2].isdecimal() else _month(found[2])
    year = int(found[3]) if found[3] else None
    if year is not None and year < 100:
        year += 2000
    return Day(int(found[1]), month, year) if month else None


def _month(name: str) -> int | None:
    return next((number for number, known in enumerate(_MONTHS, 1) if known.startswith(name) and len(name) > 2), None)

"""Length or end of a pause as people write it."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from services.subscriptions.domain.intents.intent import MAX_PAUSE_DAYS, Day
from services.subscriptions.domain.intents.text import read_words

# One day more than is granted, so that the answer can say that the pause was too long.
_MAX_READ_DAYS = MAX_PAUSE_DAYS + 1
_SHORT_NUMBER = 3


def _index_words(words: Mapping[int, str]) -> dict[str, int]:
    return {word: number for number, spelled in words.items() for word in read_words(spelled)}


UNITS = _index_words({
    1: "tag tage tagen day days gun dni день дні днів дня дней dias jours giorni zile",
    7: """woche wochen week weeks wo hafta tydzien tygodnie tygodni тиждень тижні тижнів неделя недели неделю недель
    semana semanas semaine semaines settimana settimane saptamana saptamani اسبوع""",
    30: """monat monate monaten month months ay miesiac miesiace miesiecy місяць місяці месяц месяца mes mois mese luna
    شهر""",
    365: "jahr jahre jahren year years",
})  # fmt: skip
NUMBERS = _index_words({
    1: "ein eine einen einem einer ne nen one bir", 2: "zwei two iki dwa два две дві dos deux due doua",
    3: "drei paar three uc trzy три tres trois tre trei", 4: "vier four", 5: "fuenf five", 6: "sechs six", 7: "sieben",
    8: "acht", 9: "neun", 10: "zehn ten", 11: "elf", 12: "zwoelf", 13: "dreizehn", 14: "vierzehn", 15: "fuenfzehn",
    16: "sechzehn", 17: "siebzehn", 18: "achtzehn", 19: "neunzehn", 20: "zwanzig", 21: "einundzwanzig", 30: "dreissig",
    40: "vierzig", 50: "fuenfzig", 60: "sechzig", 90: "neunzig", 100: "hundert",
})  # fmt: skip
MONTHS = ("januar", "februar", "maerz", "april", "mai", "juni", "juli", "august", "september", "oktober", "november",
    "dezember")  # fmt: skip
_ENGLISH_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december")  # fmt: skip
WEEKDAYS = ("montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag")
_DAY_NUMBERS = {day: number % 7 for number, day in enumerate((*WEEKDAYS, "monday", "tuesday", "wednesday", "thursday",
    "friday", "saturday", "sunday"))}  # fmt: skip
_ORDINALS = {f"{word}ten": number for word, number in NUMBERS.items() if 1 < number < 20} | {
    f"{unit}undzwanzigsten": 20 + number for unit, number in (("ein", 1), *NUMBERS.items()) if number < 10} | {
    "ersten": 1, "dritten": 3, "siebten": 7, "achten": 8, "zwanzigsten": 20, "dreissigsten": 30,
    "einunddreissigsten": 31}  # fmt: skip
_LAST = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_SOON = {"morgen": 1, "uebermorgen": 2, "naechste woche": 7, "naechster woche": 7, "naechsten monat": 30,
    "naechstes jahr": 60, "monatsende": 15, "wochenende": 5}  # fmt: skip
_FEASTS = {"weihnachten": Day(26, 12), "silvester": Day(31, 12), "neujahr": Day(1, 1), "jahresende": Day(31, 12),
    "ende des jahres": Day(31, 12), "ende jahr": Day(31, 12), "christmas": Day(26, 12), "new year": Day(1, 1),
    "jahreswechsel": Day(1, 1), "neuen jahr": Day(1, 1), "fruehjahr": Day(1, 3), "fruehling": Day(1, 3),
    "sommer": Day(1, 6), "herbst": Day(1, 9), "winter": Day(1, 12), "nikolaus": Day(6, 12),
    "heiligabend": Day(24, 12), "heilige drei koenige": Day(6, 1), "drei koenige": Day(6, 1),
    "tag der deutschen einheit": Day(3, 10), "reformationstag": Day(31, 10)}  # fmt: skip
# Days after Easter Sunday; a pause until a feast ends after its last day.
_MOVING_FEASTS = {"ostern": 1, "ostermontag": 1, "ostersonntag": 0, "karfreitag": -2, "pfingsten": 50,
    "pfingstmontag": 50, "himmelfahrt": 39, "christi himmelfahrt": 39, "vatertag": 39, "fronleichnam": 60,
    "karneval": -46, "fasching": -46, "aschermittwoch": -46, "easter": 1}  # fmt: skip
# Fractions of a unit in words: "halbes Jahr", "anderthalb Wochen", "1,5 Monate", "zweieinhalb Wochen".
_FRACTIONS = {"halb": 0.5, "halbe": 0.5, "halbes": 0.5, "halben": 0.5, "halber": 0.5, "viertel": 0.25,
    "dreiviertel": 0.75, "anderthalb": 1.5, "eineinhalb": 1.5, "zweieinhalb": 2.5, "dreieinhalb": 3.5,
    "viereinhalb": 4.5}  # fmt: skip
_HALF_WORDS = {"vierteljahr": 91, "halbjahr": 182, "halbjaehrig": 182, "quartal": 91}
TIME_WORDS = frozenset((*UNITS, *NUMBERS, *_FRACTIONS, *_HALF_WORDS, *MONTHS, *WEEKDAYS))
_FOR = read_words("na на لمدة")  # "na miesiąc", "на неделю": for one
_COMING = read_words("naechste naechsten naechster")
_PARTS = {"anfang": 5, "mitte": 15}
_TO = (
    r"\b(?:bis|bit|bet|untill?|till|erst(?:\s+wieder)?(?:\s+(?:a[bm]|im|in|zum))?)\s+(?:einschl\w*\s+)?"
    r"(?:the\s+|nach\s+|zum\s+|zur\s+|zu\s+|naechsten\s+|kommenden\s+|naechster\s+|ueber\s+)?"
)
_DATE = re.compile(
    _TO + r"(\d{1,2})(?:\s*[./-]\s*(\d{1,2})|(?:\.|(?:st|nd|rd|th)\b)?\s*(?:of\s+)?([a-z]{3,9}))\.?"
    r"(?:\s*[/-]?\s*(\d{4}|\d{2}))?(?!\d)"
)
_DAY = r"(?:am|ab|ab dem|vom)\s+(\d{1,2}\.\s*(?:\d{1,2}|[a-z]{3,9})\.?(?:\s*\d{4})?)"
_RETURN = re.compile(rf"{_DAY}\s+(?:\w+\s+){{0,3}}(?:wieder|zurueck)\b|\b(?:wieder|zurueck)\s+(?:\w+\s+){{0,2}}{_DAY}")
# "until January 3", "until October 3rd, 2027"
_MONTH_FIRST = re.compile(
    r"\b(?:untill?|till)\s+([a-z]{3,9})\.?\s+(?:the\s+)?(\d{1,2})(?:st|nd|rd|th)?\b(?:,?\s*(\d{4}))?"
)
# A number and a unit, also written as one word: "1,5 Monate", "3wochen".
_AMOUNT = re.compile(r"(?<![\d.,])(\d{1,3})(?:[.,](\d))?\s*-?([^\W\d_]+)")
_MONTH = re.compile(_TO + r"(?:(anfang|mitte|ende)\s+(?:des\s+)?)?([a-z]{3,9})\b")
# "bis zum sechsten Januar"
_ORDINAL = re.compile(rf"\b({'|'.join(_ORDINALS)})(?= (?:{'|'.join(MONTHS)})\b)")
# "Vor Februar nichts", "ab Mai erst wieder"
_MONTH_NAME = rf"({'|'.join((*MONTHS, 'jan', 'feb', 'apr', 'aug', 'sept', 'okt', 'nov', 'dez'))})"
_MONTH_ALONE = re.compile(
    rf"\bnicht\s+vor\s+{_MONTH_NAME}\b|"
    rf"\bvor\s+{_MONTH_NAME}\s+(?:(?:bitte|will|moechte|brauche|ich|wir|erstmal)\s+){{0,3}}(?:nichts?|nix|keine?)\b|"
    rf"\b(?:ab|im|in)\s+{_MONTH_NAME}\s+(?:\w+\s+){{0,3}}(?:erst|wieder)\b"
)
_NAMED = re.compile(
    _TO + rf"({'|'.join((*_FEASTS, *_MOVING_FEASTS, *_SOON))})\b|\bbis\s+(naechste woche|naechsten monat)\b|"
    rf"\bnach\s+({'|'.join((*_FEASTS, *_MOVING_FEASTS))})\s+(?:\w+\s+){{0,2}}(?:erst|wieder)\b"
)


class PauseLimit(NamedTuple):
    """Length or end of a pause; at most one field is set."""

    days: int | None = None
    until: Day | None = None
    weekday: int | None = None
    easter: int | None = None

    def __bool__(self) -> bool:
        return any(value is not None for value in self)


def parse_limit(words: Sequence[str], said: str) -> PauseLimit:
    return (
        _parse_date(said)
        or _parse_feast(said)
        or _parse_month(said)
        or PauseLimit(days=_parse_amount(said) or _parse_days(words))
        or _parse_return(said)
    )


def _find_month_number(name: str) -> int | None:
    """Return the number of a month from at least three letters of its name; None for any other word."""
    months = enumerate(zip(MONTHS, _ENGLISH_MONTHS, strict=True), 1)
    return next(
        (number for number, known in months if len(name) > 2 and any(each.startswith(name) for each in known)), None
    )


def _parse_date(said: str) -> PauseLimit:
    found = _DATE.search(_ORDINAL.sub(lambda word: f"{_ORDINALS[word[1]]}.", said))
    if found is None:
        return _parse_month_first(said)
    number = int(found[2]) if found[2] else _find_month_number(found[3])
    year = int(found[4]) if found[4] else None
    if year is not None and year < 100:
        year += 2000
    return PauseLimit(until=Day(int(found[1]), number, year)) if number else PauseLimit()


def _parse_month_first(said: str) -> PauseLimit:
    found = _MONTH_FIRST.search(said)
    number = _find_month_number(found[1]) if found else None
    if found is None or number is None:
        return PauseLimit()
    return PauseLimit(until=Day(int(found[2]), number, int(found[3]) if found[3] else None))


def _parse_return(said: str) -> PauseLimit:
    """Return the day on which somebody comes back: "Ich komme am 20.12. wieder"."""
    found = _RETURN.search(said)
    return _parse_date(f"bis {found[1] or found[2]}") if found else PauseLimit()


def _parse_feast(said: str) -> PauseLimit:
    found = _NAMED.search(said)
    name = (found[1] or found[2] or found[3]) if found else ""
    return PauseLimit(days=_SOON.get(name), until=_FEASTS.get(name), easter=_MOVING_FEASTS.get(name))


def _parse_month(said: str) -> PauseLimit:
    found, alone = _MONTH.search(said), _MONTH_ALONE.search(said)
    name, part = (next(filter(None, alone.groups())), None) if alone else (found[2], found[1]) if found else ("", None)
    if name in _DAY_NUMBERS:
        return PauseLimit(weekday=_DAY_NUMBERS[name])
    if name == "monats":
        return PauseLimit(days=15)
    number = _find_month_number(name)
    if number is None:
        return PauseLimit()
    return PauseLimit(until=Day(_LAST[number - 1] if part == "ende" else _PARTS.get(part or "", 1), number))


def _parse_days(words: Sequence[str]) -> int | None:
    """Return the days that the first number before a unit amounts to; "Guten Tag" has no number.

    "Nächste" counts only alone: "nächste Woche muss ich ins Krankenhaus, sechs Wochen".
    """
    for before, word in pairwise(words):
        number = _parse_number(before)
        if word in UNITS and number is not None:
            return _round_days(number * UNITS[word])
    coming = (UNITS[word] for before, word in pairwise(words) if before in _COMING and word in UNITS)
    return next((_HALF_WORDS[word] for word in words if word in _HALF_WORDS), None) or next(coming, None)


def _parse_amount(said: str) -> int | None:
    for whole, tenth, unit in _AMOUNT.findall(said):
        if unit in UNITS:
            return _round_days(float(f"{whole}.{tenth or 0}") * UNITS[unit])
    return None


def _round_days(days: float) -> int:
    """Round to whole days; a pause that is too long stays too long."""
    return max(1, min(_MAX_READ_DAYS, round(days)))


def _parse_number(word: str) -> float | None:
    if word.isascii() and word.isdecimal() and len(word) <= _SHORT_NUMBER:
        return int(word)
    return NUMBERS.get(word) or _FRACTIONS.get(word) or (1 if word in _FOR else None)

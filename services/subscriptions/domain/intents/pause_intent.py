"""Signs of a request for a pause, with its length as people write it, or for the end of a pause."""

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from services.subscriptions.domain.intents import foreign_phrases
from services.subscriptions.domain.intents.intent import MAX_PAUSE_DAYS, Day, Intent, ParsedIntent
from services.subscriptions.domain.intents.phrases import MISSING, SILENCE
from services.subscriptions.domain.intents.text import MAX_TEXT_LENGTH, CitizenText, Signs, read_words
from services.subscriptions.domain.intents.vocabulary import FILLER_WORDS, NO, POLITE, STOP_WORDS

# One day more than is granted, so that the answer can say that the pause was too long.
_MAX_READ_DAYS = MAX_PAUSE_DAYS + 1
_SHORT_NUMBER = 3

UNITS = {"tag": 1, "tage": 1, "tagen": 1, "day": 1, "days": 1, "woche": 7, "wochen": 7, "week": 7, "weeks": 7,
    "monat": 30, "monate": 30, "monaten": 30, "month": 30, "months": 30, "jahr": 365, "jahre": 365, "jahren": 365,
    "year": 365, "years": 365, "wo": 7, "gun": 1, "hafta": 7, "tydzien": 7, "tygodnie": 7, "тиждень": 7, "тижні": 7,
    "неделя": 7, "недели": 7, "неделю": 7, "semana": 7, "semaine": 7, "settimana": 7, "tygodni": 7}  # fmt: skip
NUMBERS = {"ein": 1, "eine": 1, "einen": 1, "einem": 1, "einer": 1, "ne": 1, "nen": 1, "paar": 3, "zwei": 2, "drei": 3,
    "vier": 4, "fuenf": 5, "sechs": 6, "sieben": 7, "acht": 8, "neun": 9, "zehn": 10, "elf": 11, "zwoelf": 12,
    "dreizehn": 13, "vierzehn": 14, "fuenfzehn": 15, "sechzehn": 16, "siebzehn": 17, "achtzehn": 18, "neunzehn": 19,
    "zwanzig": 20, "einundzwanzig": 21, "dreissig": 30, "vierzig": 40, "fuenfzig": 50, "sechzig": 60, "neunzig": 90,
    "hundert": 100, "five": 5, "six": 6, "ten": 10, "one": 1, "two": 2, "three": 3, "four": 4, "iki": 2, "dwa": 2,
    "два": 2, "дві": 2}  # fmt: skip
MONTHS = ("januar", "februar", "maerz", "april", "mai", "juni", "juli", "august", "september", "oktober", "november",
    "dezember")  # fmt: skip
_ENGLISH_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december")  # fmt: skip
WEEKDAYS = ("montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag")
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
    "sommer": Day(1, 6), "herbst": Day(1, 9), "winter": Day(1, 12)}  # fmt: skip
# Days after Easter Sunday; a pause until a feast ends after its last day.
_MOVING_FEASTS = {"ostern": 1, "ostermontag": 1, "ostersonntag": 0, "karfreitag": -2, "pfingsten": 50,
    "pfingstmontag": 50, "himmelfahrt": 39, "christi himmelfahrt": 39, "vatertag": 39, "fronleichnam": 60,
    "karneval": -46, "fasching": -46, "aschermittwoch": -46, "easter": 1}  # fmt: skip
_FIXED_FEASTS = {"nikolaus": Day(6, 12), "heiligabend": Day(24, 12), "heilige drei koenige": Day(6, 1),
    "drei koenige": Day(6, 1), "tag der deutschen einheit": Day(3, 10), "reformationstag": Day(31, 10)}  # fmt: skip
_FEASTS |= _FIXED_FEASTS
# Fractions of a unit in words: "halbes Jahr", "anderthalb Wochen", "1,5 Monate", "zweieinhalb Wochen".
FRACTIONS = {"halb": 0.5, "halbe": 0.5, "halbes": 0.5, "halben": 0.5, "halber": 0.5, "viertel": 0.25,
    "dreiviertel": 0.75, "anderthalb": 1.5, "eineinhalb": 1.5, "zweieinhalb": 2.5, "dreieinhalb": 3.5,
    "viereinhalb": 4.5}  # fmt: skip
HALF_WORDS = {"vierteljahr": 91, "halbjahr": 182, "halbjaehrig": 182, "quartal": 91}
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

_PAUSE = read_words("""pause pausieren pausiere pausiert unterbrechen unterbrechung unterbreche aussetzen pauza
    przerwa wstrzymac перерва пауза призупинити mola ara pausen stumm stummschalten pausierung urlaubspause break""")
_HOLIDAY = read_words("urlaub verreist ferien weg kur reha krankenhaus klinik unterwegs reise dienstreise")
_END = read_words("beenden beende ende aufheben vorbei abbrechen aus stoppen fertig zurueck aufgehoben beendet")
_ON = read_words("""weiter fortsetzen fortfahren weitermachen weitergehen weiterschicken weitersenden resume continue
    gehts fortsetzung devam dalej далі продовжити""")
_AGAIN = read_words("""schicken schickt senden sendet einschalten anschalten aktivieren bekommen erhalten empfangen
    kriegen los losgehen""")
_BACK = read_words("da zurueck hause daheim")
_AROUND = (
    FILLER_WORDS
    | frozenset(UNITS)
    | frozenset(NUMBERS)
    | frozenset(FRACTIONS)
    | frozenset(HALF_WORDS)
    | frozenset(MONTHS)
    | frozenset(WEEKDAYS)
    | _HOLIDAY
    | read_words("""mach bis solange so ostern pfingsten sommer winter herbst fruehling fruehjahr karfreitag himmelfahrt
    ostermontag pfingstmontag heiligabend nikolaus nach
    machen mache im am vor lang lange fuer ca etwa naechsten naechste kommenden naechster in
    einlegen gehe fahre ende anfang mitte monats jahres morgen weihnachten silvester neujahr jahresende einschliesslich
    for take a break the zeitweise kurz kurze kleine erstmal erst voruebergehend""")
)
_ASKING = read_words("kann koennt koennen koennte koennten wuerden wuerdet kannst geht moeglich man")
_FOR_NOW = re.compile(
    r"\b(?:im moment|momentan|zur ?zeit|derzeit|voruebergehend|vorlaeufig|erst ?mal|fuer (?:eine|ne) (?:weile|zeit)|"
    r"eine zeit ?lang|so ?lange|in (?:der|dieser) zeit|waehrend(?: des| meines| der)?|ueber (?:weihnachten|"
    r"die feiertage))\b"
)
_AGAIN_PLEASE = re.compile(
    r"\bwieder (?:\w+ ){0,2}(?:einschalten|anschalten|aktivieren|senden|schicken|zuschicken|anstellen|freischalten|"
    r"aufnehmen|fortsetzen|anmachen)\b"
)
_ONLY_AGAIN = re.compile(
    r"^(?:(?:newsletter|nachrichten|meldungen|infos|kreisfunk|alles|kanal|dienst|abo) "
    r"(?:\w+ )?wieder an|(?:ab |jetzt |sofort |gerne? |ja |nun )*wieder)$"
)
# "До 1 февраля", "until 20 August".
_FOREIGN_UNTIL = re.compile(r"\b(?:до|until|till|hasta|do|pana pe) (?:\w+ )?\d")
_QUIET = read_words("nichts nix ruhe")
# "Ich bin im Urlaub auf Juist, herrliches Wetter": small talk, unless the words of a request are there.
_SMALL_TALK = re.compile(
    r"\b(?:war|waren|hatten|wetter|strand|meer|sonne\w*|regnet|herrlich\w*|wunder\w*|traumhaft\w*|schoene?[rs]?|"
    r"geniess\w*|freuen|gruesse (?:aus|an|ans|von|in)|gelesen)\b"
)
_TIME_OFF = read_words("urlaub ferien reise reisen unterwegs verreist")
_REQUEST = read_words(
    "bitte solange lange wieder erst bis ruhe still funkstille lass lasst lassen zurueck zuhause daheim vorbei"
)
# "Bis Neujahr pausieren und danach nur noch Jobs": what is wanted after a pause.
_AFTERWARDS = re.compile(r"[\s,.;]+(?:und\s+)?(?:danach|anschließend|hinterher|nachher|dann)\b", re.IGNORECASE)
# "Bin ich noch in Pause?", "Wann geht es bei mir weiter?"
_ABOUT_OWN_PAUSE = re.compile(
    r"\b(?:wann|lange) (?:\w+ ){0,3}(?:meine pause|ist die pause|ich (?:\w+ ){0,3}(?:pause|pausiert))\b|"
    r"\bwann (?:bekommen?|kriegen?|krieg|erhalte) ich (?:\w+ ){0,2}wieder (?:was|etwas|nachrichten|meldungen|infos)\b|"
    r"\bwann (?:\w+ )?(?:geht|gehts) (?:(?:es|s|bei|fuer|mir|mich|uns|wieder|denn|dann|eigentlich|mit|den|nachrichten|"
    r"meldungen) )*weiter$|"
    r"\b(?:wann|lange|ist) (?:\w+ ){0,2}(?:die pause bei mir|bei mir die pause)\b|"
    r"^(?:bin|habe|hab) ich (?:\w+ ){0,3}(?:pause|pausiert)\b(?! ge)|^(?:ist|laeuft|geht|gilt) (?:\w+ )?meine pause\b"
)
# "Ab Februar könnt ihr wieder schreiben, vorher nicht"
_NOT_BEFORE = re.compile(r"\bwieder (?:\w+ ){0,2}(?:schreiben|schicken|senden|melden)\b.* vorher (?:\w+ )?nicht\b")
_FOREVER = re.compile(r"\b(?:fuer immer|dauerhaft|endgueltig|auf (?:dauer|ewig)|ewig|unbefristet|forever)\b")
_SINCE = read_words("seit schon immer")


class PauseLimit(NamedTuple):
    """Length or end of a pause; at most one field is set."""

    days: int | None = None
    until: Day | None = None
    weekday: int | None = None
    easter: int | None = None

    def __bool__(self) -> bool:
        return any(value is not None for value in self)


class PauseSigns(Signs):
    """Signs of a pause in a phrase."""

    @cached_property
    def limit(self) -> PauseLimit:
        """Return the length or end that the text states; an empty one if it states none."""
        return _parse_limit(self.words, self.text.in_german)

    @property
    def pause(self) -> ParsedIntent:
        """Return PAUSE with its length or end."""
        return ParsedIntent(intent=Intent.PAUSE, **self.limit._asdict())

    @property
    def request(self) -> ParsedIntent | None:
        """Return PAUSE or RESUME if the text asks for it, else None."""
        if self.is_question:
            return ParsedIntent(intent=Intent.TOPICS)
        if self._is_resume or self._is_restart_request:
            return ParsedIntent(intent=Intent.RESUME)
        foreign = _FOREIGN_UNTIL.search(self.sentence) and foreign_phrases.STOP.search(self.sentence)
        return self.pause if foreign or self._is_pause or self._is_silence else self._pause_before

    @property
    def is_question(self) -> bool:
        """Return whether somebody asks about their own pause; the answer with their topics says when it ends."""
        return bool(_ABOUT_OWN_PAUSE.search(" ".join(word for word in self.words if word not in POLITE)))

    @property
    def is_endless(self) -> bool:
        """Return whether the pause would never end: "Pause für immer"."""
        return bool(_FOREVER.search(self.sentence))

    @property
    def is_holiday_talk(self) -> bool:
        """Return whether somebody tells of a holiday and asks for nothing."""
        if not self.said & _TIME_OFF or self.said & (_PAUSE | _REQUEST | NO | STOP_WORDS) or self.limit:
            return False
        return bool(_SMALL_TALK.search(self.sentence))

    @cached_property
    def _joined(self) -> frozenset[str]:
        return frozenset(word for word in self.phrase.joined if not word.isdecimal())

    @property
    def _pause_before(self) -> ParsedIntent | None:
        """Return the pause that something else is to follow, which can be said again after it."""
        first, *rest = _AFTERWARDS.split(self.text.raw[:MAX_TEXT_LENGTH], maxsplit=1)
        if not rest or STOP_WORDS & CitizenText(rest[0]).said:
            return None
        before = CitizenText(first + "?" * self.text.asks)
        parsed = PauseSigns(before, before).request
        return parsed if parsed and parsed.has_limit else None

    @property
    def _is_pause(self) -> bool:
        said, asked = self._joined, self._joined & _PAUSE or (self._joined & _HOLIDAY and self.limit)
        if asked and said <= _PAUSE | _AROUND | STOP_WORDS | _ASKING and (not self.text.asks or said & _ASKING):
            return True
        if self.text.asks or not self.limit:
            return False
        return bool(_NOT_BEFORE.search(self.sentence)) or bool(said & _QUIET and said <= _AROUND | NO)

    @property
    def _is_silence(self) -> bool:
        """Return whether messages should stop for a while: "Bin bis 3.1. verreist, bitte so lange nichts schicken"."""
        if self.text.asks or MISSING.search(self.sentence) or self._joined & _SINCE:
            return False
        return bool(SILENCE.search(self.sentence)) and bool(_FOR_NOW.search(self.sentence) or self.limit)

    @property
    def _is_resume(self) -> bool:
        said = self._joined
        ending = said & _PAUSE and said & (_END | NO) and "bis" not in said
        if ending and said <= _PAUSE | _END | _AROUND | NO | _ON:
            return True
        if said & NO or said == {"weiter", "so"}:
            return False
        if said & _ON and said <= _ON | FILLER_WORDS | _HOLIDAY | _END | _ASKING:
            return True
        if said & (_BACK | _HOLIDAY) and said & (_END | {"wieder"}) and said <= _BACK | FILLER_WORDS | _HOLIDAY | _END:
            return True
        return "wieder" in said and bool(said & _AGAIN) and said <= FILLER_WORDS | _AGAIN | _HOLIDAY | _END | _ASKING

    @property
    def _is_restart_request(self) -> bool:
        """Return whether messages should resume: "Ich bekomme keine Nachrichten mehr, bitte wieder einschalten"."""
        parsed = self.sentence.removeprefix("bitte ").removesuffix(" bitte")
        return bool(_ONLY_AGAIN.search(parsed) or (_AGAIN_PLEASE.search(parsed) and MISSING.search(parsed)))


def _parse_limit(words: Sequence[str], said: str) -> PauseLimit:
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
    if name in WEEKDAYS:
        return PauseLimit(weekday=WEEKDAYS.index(name))
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
    return next((HALF_WORDS[word] for word in words if word in HALF_WORDS), None) or next(coming, None)


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
    return NUMBERS.get(word) or FRACTIONS.get(word)

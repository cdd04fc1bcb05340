"""Signs of a request for a pause, with its length or end as people write it, or for the end of a pause."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from itertools import chain, pairwise

from services.subscriptions.domain.intents import foreign_phrases
from services.subscriptions.domain.intents.intent import MAX_PAUSE_DAYS, Day, Intent, ParsedIntent
from services.subscriptions.domain.intents.phrases import MISSING, SILENCE
from services.subscriptions.domain.intents.text import CitizenText, Signs, read_words
from services.subscriptions.domain.intents.vocabulary import FILLER_WORDS, NO, POLITE, STOP_WORDS

# One day more than the maximum, so that the answer can state that the pause was too long.
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
_MONTH_NUMBERS = {name: number for number, name in enumerate(MONTHS, 1)} | {"january": 1, "february": 2, "march": 3,
    "may": 5, "june": 6, "july": 7, "october": 10, "december": 12}  # fmt: skip
WEEKDAYS = ("montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag")
_DAY_NUMBERS = {day: number % 7 for number, day in enumerate((*WEEKDAYS, "monday", "tuesday", "wednesday", "thursday",
    "friday", "saturday", "sunday"))}  # fmt: skip
_ORDINALS = {f"{word}ten": number for word, number in NUMBERS.items() if 1 < number < 20} | {
    f"{unit}undzwanzigsten": 20 + number for unit, number in (("ein", 1), *NUMBERS.items()) if number < 10} | {
    "ersten": 1, "dritten": 3, "siebten": 7, "achten": 8, "zwanzigsten": 20, "dreissigsten": 30,
    "einunddreissigsten": 31}  # fmt: skip
_LAST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_SOON = {"morgen": 1, "uebermorgen": 2, "naechste woche": 7, "naechster woche": 7, "naechsten monat": 30,
    "wochenende": 5}  # fmt: skip
_FEASTS = {"weihnachten": Day(26, 12), "silvester": Day(31, 12), "neujahr": Day(1, 1), "jahresende": Day(31, 12),
    "ende des jahres": Day(31, 12), "ende jahr": Day(31, 12), "christmas": Day(26, 12), "new year": Day(1, 1),
    "jahreswechsel": Day(1, 1), "neuen jahr": Day(1, 1), "fruehjahr": Day(1, 3), "fruehling": Day(1, 3),
    "sommer": Day(1, 6), "herbst": Day(1, 9), "winter": Day(1, 12), "nikolaus": Day(6, 12),
    "heiligabend": Day(24, 12), "heilige drei koenige": Day(6, 1), "drei koenige": Day(6, 1),
    "tag der deutschen einheit": Day(3, 10), "reformationstag": Day(31, 10), "naechstes jahr": Day(1, 1),
    "monatsende": Day(31, 0)}  # fmt: skip
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
    r"(?:\s*[/-]?\s*(\d{4}|\d{2}(?! ?(?:uhr|:))))?(?!\d)"
)
_DAY = r"(?:am|ab|ab dem|vom)\s+(\d{1,2}\.\s*(?:\d{1,2}|[a-z]{3,9})\.?(?:\s*\d{4})?)"
_RETURN = re.compile(rf"{_DAY}\s+(?:\w+\s+){{0,3}}(?:wieder|zurueck)\b|\b(?:wieder|zurueck)\s+(?:\w+\s+){{0,2}}{_DAY}")
# "until January 3", "until October 3rd, 2027"
_MONTH_FIRST = re.compile(
    r"\b(?:untill?|till)\s+([a-z]{3,9})\.?\s+(?:the\s+)?(\d{1,2})(?:st|nd|rd|th)?\b(?:,?\s*(\d{4}))?"
)
# A number and a unit, also written as one word: "1,5 Monate", "3wochen".
_AMOUNT = re.compile(r"(?<![\d.,])(\d{1,3})(?:[.,](\d))?\s*-?([^\W\d_]+)")
_MONTH = re.compile(_TO + r"(?:(anfang|mitte|ende)\s+(?:(?:des|dieses|diesen)\s+)?)?([a-z]{3,9})\b")
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
_build_pause = partial(ParsedIntent, intent=Intent.PAUSE)

_PAUSE = read_words("""pause pausieren pausiere pausiert unterbrechen unterbrechung unterbreche aussetzen pauza
    przerwa wstrzymac перерва пауза призупинити mola ara pausen stumm stummschalten pausierung urlaubspause break""")
_HOLIDAY = read_words("urlaub verreist ferien weg kur reha krankenhaus klinik unterwegs reise dienstreise")
_END = read_words("end beenden beende ende aufheben vorbei abbrechen aus stoppen fertig zurueck aufgehoben beendet")
_ON = read_words("""weiter fortsetzen fortfahren weitermachen weitergehen weiterschicken weitersenden resume continue
    gehts fortsetzung devam dalej далі продовжити""")
_AGAIN = read_words("""schicken schickt senden sendet einschalten anschalten aktivieren bekommen erhalten empfangen
    kriegen los losgehen""")
_BACK = read_words("da zurueck hause daheim")
_AROUND = (
    FILLER_WORDS
    | TIME_WORDS
    | _HOLIDAY
    | read_words("""mach bis solange ostern pfingsten sommer winter herbst fruehling fruehjahr karfreitag himmelfahrt
        ostermontag pfingstmontag heiligabend nikolaus machen mache vor lang lange ca etwa naechste kommenden naechster
        einlegen gehe fahre ende anfang mitte monats jahres weihnachten silvester neujahr jahresende einschliesslich
        for take a break zeitweise kurz kurze kleine erstmal voruebergehend""")
)
_ASKING = read_words("kann koennt koennen koennte koennten wuerden wuerdet kannst geht moeglich man")
_FOR_NOW = re.compile(
    r"\b(?:vorerst|im moment|momentan|zur ?zeit|derzeit|voruebergehend|vorlaeufig|erst ?mal|"
    r"fuer (?:eine|ne) (?:weile|zeit)|eine zeit ?lang|so ?lange|in (?:der|dieser) zeit|"
    r"waehrend(?: des| meines| der)?|ueber (?:weihnachten|"
    r"die feiertage)|(?:danach|dann|hinterher|nachher|spaeter|morgen) (?:\w+ ){0,2}wieder)\b"
)
_AGAIN_PLEASE = re.compile(
    r"\bwieder (?:\w+ ){0,2}(?:einschalten|anschalten|aktivieren|senden|schicken|zuschicken|anstellen|freischalten|"
    r"aufnehmen|fortsetzen|anmachen)\b"
)
_ONLY_AGAIN = re.compile(
    r"^(?:(?:newsletter|nachrichten|meldungen|infos|kreisfunk|alles|kanal|dienst|abo) "
    r"(?:\w+ )?wieder an|(?:ab |jetzt |sofort |gerne? |ja |nun )*wieder)$"
)
# "До 1 февраля", "until 20 August", and what is to come afterwards: "sonra tekrar", "потом снова".
_FOREIGN_UNTIL = re.compile(
    r"\b(?:до|until|till|hasta|do|pana pe) (?:\w+ )?\d|"
    r"\b(?:until|till|jusqu a|hasta(?! (?:luego|pronto|nunca|siempre))) \w+|\b(?:sonra|sonrasi)\b|\btekrar\b|"
    r"\b(?:потом|затем|потім|снова|знову|reprene\w*|reprend\w*|ensuite|despues|otra vez|afterwards)\b|"
    r"\b(?:after that|then again|during|ramazan|ramadan|pendant|durante|podczas|boyunca)\b|المتابع|خلال|رمضان"
)
_QUIET = read_words("nichts nix ruhe")
# "Ich bin im Urlaub auf Juist, herrliches Wetter": small talk, unless the words of a request are there.
_SMALL_TALK = re.compile(
    r"\b(?:war|waren|hatten|wetter|strand|meer|sonne\w*|regnet|herrlich\w*|wunder\w*|traumhaft\w*|schoene?[rs]?|"
    r"geniess\w*|freuen|gruesse (?:aus|an|ans|von|in)|gelesen)\b"
)
_TIME_OFF = read_words("urlaub ferien reise reisen unterwegs verreist")
_REQUEST = read_words("""bitte solange lange wieder erst bis ruhe still funkstille lass lasst lassen zurueck zuhause
    daheim vorbei""")
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
_TEMPORARY = (
    _PAUSE
    | _HOLIDAY
    | TIME_WORDS
    | read_words("""bis solange waehrend erst erstmal vorerst vorlaeufig voruebergehend zeitweise einstweilen kurz
    ostern weihnachten sommer winter until till while during""")
) - read_words("ein eine einen einem einer ne nen one")
_SINCE = read_words("seit schon immer")


class PauseSigns(Signs):
    """Signs of a pause in a phrase."""

    @cached_property
    def limit(self) -> ParsedIntent | None:
        """Return PAUSE with the length or end in the text; None if it has none."""
        text = self.text.in_german
        end = _parse_date(text) or _parse_feast(text) or _parse_month(text)
        return end or _parse_amount(text) or _parse_days(self.words) or _parse_return(text)

    @property
    def pause(self) -> ParsedIntent:
        """Return PAUSE with its length or end, if there is one."""
        return self.limit or ParsedIntent(intent=Intent.PAUSE)

    @property
    def request(self) -> ParsedIntent | None:
        """Return PAUSE or RESUME if the text asks for it, else None."""
        if self.is_question:
            return ParsedIntent(intent=Intent.TOPICS)
        if self._is_resume or self._is_restart_request:
            return ParsedIntent(intent=Intent.RESUME)
        unwanted = foreign_phrases.STOP.search(self.sentence) or "no messages" in self.sentence
        foreign = _FOREIGN_UNTIL.search(self.sentence) and unwanted
        return self.pause if foreign or self._is_pause or self._is_silence else self._pause_before

    @property
    def is_question(self) -> bool:
        """Return whether somebody asks about their own pause; the answer with their topics includes its end."""
        return bool(_ABOUT_OWN_PAUSE.search(" ".join(word for word in self.words if word not in POLITE)))

    @property
    def is_endless(self) -> bool:
        """Return whether the pause would never end: "Pause für immer"."""
        return bool(_FOREVER.search(self.sentence))

    @property
    def is_temporary(self) -> bool:
        """Return whether a length, an end or a word limits it in time."""
        return bool(self.limit or self.word_set & _TEMPORARY or _FOREIGN_UNTIL.search(self.sentence))

    @property
    def is_holiday_talk(self) -> bool:
        """Return whether somebody mentions a holiday without a request."""
        if not self.word_set & _TIME_OFF or self.word_set & (_PAUSE | _REQUEST | NO | STOP_WORDS) or self.limit:
            return False
        return bool(_SMALL_TALK.search(self.sentence))

    @cached_property
    def _joined(self) -> frozenset[str]:
        return frozenset(word for word in self.phrase.joined if not word.isdecimal())

    @property
    def _pause_before(self) -> ParsedIntent | None:
        """Return the pause before another request, which the person can repeat after it."""
        first, *rest = _AFTERWARDS.split(self.text.excerpt, maxsplit=1)
        if not rest or STOP_WORDS & CitizenText(rest[0]).word_set:
            return None
        before = CitizenText(first + "?" * self.text.asks)
        parsed = PauseSigns(before, before).request
        return parsed if parsed and parsed.has_limit else None

    @property
    def _is_pause(self) -> bool:
        words, is_request = self._joined, self._joined & _PAUSE or (self._joined & _HOLIDAY and self.limit)
        if is_request and words <= _PAUSE | _AROUND | STOP_WORDS | _ASKING and (not self.text.asks or words & _ASKING):
            return True
        if self.text.asks or not self.limit:
            return False
        return bool(_NOT_BEFORE.search(self.sentence)) or bool(words & _QUIET and words <= _AROUND | NO)

    @property
    def _is_silence(self) -> bool:
        """Return whether messages should stop for a while: "Bin bis 3.1. verreist, bitte so lange nichts schicken"."""
        if self.text.asks or MISSING.search(self.sentence) or self._joined & _SINCE:
            return False
        return bool(SILENCE.search(self.sentence)) and bool(_FOR_NOW.search(self.sentence) or self.limit)

    @property
    def _is_resume(self) -> bool:
        words = self._joined
        ends_pause = words & _PAUSE and words & (_END | NO) and "bis" not in words
        if ends_pause and words <= _PAUSE | _END | _AROUND | NO | _ON:
            return True
        if words & NO or words == {"weiter", "so"}:
            return False
        if words & _ON and words <= _ON | FILLER_WORDS | _HOLIDAY | _END | _ASKING:
            return True
        is_back = words & (_BACK | _HOLIDAY) and words & (_END | {"wieder"})
        if is_back and words <= _BACK | FILLER_WORDS | _HOLIDAY | _END:
            return True
        return "wieder" in words and bool(words & _AGAIN) and words <= FILLER_WORDS | _AGAIN | _HOLIDAY | _END | _ASKING

    @property
    def _is_restart_request(self) -> bool:
        """Return whether messages should resume: "Ich bekomme keine Nachrichten mehr, bitte wieder einschalten"."""
        sentence = self.sentence.removeprefix("bitte ").removesuffix(" bitte")
        return bool(_ONLY_AGAIN.search(sentence) or (_AGAIN_PLEASE.search(sentence) and MISSING.search(sentence)))


def _find_month_number(name: str) -> int | None:
    """Return the number of a month from at least three letters of its name; None for any other word."""
    numbers = (number for month, number in _MONTH_NUMBERS.items() if len(name) > 2 and month.startswith(name))
    return next(numbers, None)


def _parse_date(text: str) -> ParsedIntent | None:
    day_first = _DATE.search(_ORDINAL.sub(lambda word: f"{_ORDINALS[word[1]]}.", text))
    month_first = _MONTH_FIRST.search(text)
    if day_first:
        day, month, year = day_first[1], day_first[2] or day_first[3], int(day_first[4] or 0)
    elif month_first:
        day, month, year = month_first[2], month_first[1], int(month_first[3] or 0)
    else:
        return None
    number = int(month) if month.isdecimal() else _find_month_number(month)
    if 0 < year < 100:
        year += 2000
    return _build_pause(until=Day(int(day), number, year or None)) if number else None


def _parse_return(text: str) -> ParsedIntent | None:
    """Return the day on which somebody comes back: "Ich komme am 20.12. wieder"."""
    match = _RETURN.search(text)
    return _parse_date(f"bis {match[1] or match[2]}") if match else None


def _parse_feast(text: str) -> ParsedIntent | None:
    match = _NAMED.search(text)
    if match is None:
        return None
    name = match[1] or match[2] or match[3]
    return _build_pause(days=_SOON.get(name), until=_FEASTS.get(name), easter=_MOVING_FEASTS.get(name))


def _parse_month(text: str) -> ParsedIntent | None:
    match, alone = _MONTH.search(text), _MONTH_ALONE.search(text)
    name, part = (next(filter(None, alone.groups())), None) if alone else (match[2], match[1]) if match else ("", None)
    if name in _DAY_NUMBERS:
        return _build_pause(weekday=_DAY_NUMBERS[name])
    number = 0 if name == "monats" else _find_month_number(name)
    if number is None:
        return None
    return _build_pause(until=Day(_LAST[number - 1] if part == "ende" else _PARTS.get(part or "", 1), number))


def _parse_days(words: Sequence[str]) -> ParsedIntent | None:
    """Return a pause of the days that the first number and its unit give; "Guten Tag" has no number.

    "Nächste" counts only without a number: "nächste Woche muss ich ins Krankenhaus, sechs Wochen".
    """
    pairs = list(pairwise(words))
    amounts = ((_parse_number(before), word) for before, word in pairs if word in UNITS)
    days = next((number * UNITS[word] for number, word in amounts if number is not None), None)
    half = (_HALF_WORDS[word] for word in words if word in _HALF_WORDS)
    coming = (UNITS[word] for before, word in pairs if before in _COMING and word in UNITS)
    return _build_length(next(chain(() if days is None else (days,), half, coming), None))


def _parse_amount(text: str) -> ParsedIntent | None:
    amounts = ((float(f"{whole}.{tenth or 0}"), unit) for whole, tenth, unit in _AMOUNT.findall(text))
    return _build_length(next((number * UNITS[unit] for number, unit in amounts if unit in UNITS), None))


def _build_length(days: float | None) -> ParsedIntent | None:
    """Return a pause of whole days, of at most one day more than permitted."""
    return None if days is None else _build_pause(days=max(1, min(_MAX_READ_DAYS, round(days))))


def _parse_number(word: str) -> float | None:
    if word.isascii() and word.isdecimal() and len(word) <= _SHORT_NUMBER:
        return int(word)
    return NUMBERS.get(word) or _FRACTIONS.get(word) or (1 if word in _FOR else None)

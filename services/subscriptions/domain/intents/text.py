"""Text of a citizen: normalized to plain words, and split into clauses."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cached_property

MAX_TEXT_LENGTH = 1_000
# Of a longer text only the beginning and the end are parsed, where people state their request.
BEGINNING, MAX_FIRST_CLAUSES, MAX_LAST_CLAUSES = 0.7, 8, 4

_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
# Low German doubles umlauts: "Füür", "köönt".
_DOUBLED = re.compile(r"([äöü])\1")
# The last are small capitals, as keyboards with fonts write them.
_BARE = str.maketrans("łıøđᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "liodabcdefghijklmnoprstuvwyz")
# Letters that look alike in Cyrillic and in Latin script, as keyboards for two languages mix them in one word.
_CYRILLIC, _LATIN = "авеікмнорстухѕј", "abeikmhopctyxsj"
_TO_LATIN, _TO_CYRILLIC = str.maketrans(_CYRILLIC, _LATIN), str.maketrans(_LATIN, _CYRILLIC)
_MIXED = re.compile(r"\b\w*(?:[a-z][а-яіѕј]|[а-яіѕј][a-z])\w*")
STRETCHED = re.compile(r"([^\W\d_])\1{2,}")
_WORD = re.compile(r"[^\W_]+")
_SLIPPED = re.compile(r"(?<=!)1+(?![\w.,])")  # "Abmelden!!1", where the shift key was not held
_INVISIBLE = ("Cf", "Mn", "Me")
_SPELLED = 3
_CUT_AT_END, _CUT_AT_START = re.compile(r"\s\S*\Z"), re.compile(r"\A\S*\s")
SENTENCE = re.compile(r"[^.!?;…\n\r]+[.!?;…]*")

# "+ Jobs", "- 2"; and "1-3", where a dash is neither a sign nor a comma.
_SIGN = re.compile(r"(?:^|[\s,;])([+−–-])(?=\s*\w)")
_DASHES = str.maketrans("−–", "--")
_RANGE = re.compile(r"(?<![-–\d])(?<![-–] )(\d{1,2}) ?(?:[-–]|bis) ?(\d{1,2})(?! ?[-–\d])")

# Words that people, or their phones, write as two.
_SPLIT = {
    ("ab", "melden"): "abmelden",
    ("ab", "meldung"): "abmeldung",
    ("ab", "bestellen"): "abbestellen",
    ("an", "melden"): "anmelden",
    ("an", "meldung"): "anmeldung",
    ("aus", "tragen"): "austragen",
    ("ein", "tragen"): "eintragen",
    ("auf", "hoeren"): "aufhoeren",
    ("hoer", "up"): "aufhoeren",
    ("hoert", "up"): "aufhoeren",
    ("st", "op"): "stop",
    ("sto", "p"): "stop",
    ("un", "subscribe"): "unsubscribe",
    ("opt", "out"): "optout",
    ("don", "t"): "dont",
    ("sign", "up"): "subscribe",
    ("non", "stop"): "nonstop",
}

# Northern German dialect and casual spelling, and umlauts as foreign keyboards leave them.
_SPOKEN = {
    "ick": "ich", "ik": "ich", "mi": "mich", "wi": "wir", "dat": "das", "nich": "nicht", "nech": "nicht",
    "afmellen": "abmelden", "afmelden": "abmelden", "anmellen": "anmelden", "mellt": "meldet", "op": "auf",
    "much": "moechte", "mucht": "moechte", "wull": "will", "hebben": "haben", "kriegn": "kriegen",
    "schrieven": "schreiben", "schriev": "schreib", "schrievt": "schreibt", "nee": "nein",
    "mochte": "moechte", "mochten": "moechten", "moechtn": "moechte", "moeche": "moechte", "fur": "fuer",
    "uber": "ueber", "konnen": "koennen", "mussen": "muessen", "loschen": "loeschen", "losche": "loesche",
    "loscht": "loescht", "kundigen": "kuendigen", "kundige": "kuendige", "kundigung": "kuendigung",
    "wunsche": "wuensche", "haett": "haette", "wolle": "wollen",
    "waer": "waere", "waers": "waere", "wuerd": "wuerde",
    "aufhoren": "aufhoeren", "uff": "auf", "hor": "hoer",
    "schreibn": "schreiben", "schickn": "schicken", "abmeldn": "abmelden",
    "wiederruf": "widerruf", "wiederrufe": "widerrufe", "wiederrufen": "widerrufen", "nachichten": "nachrichten",
    "nachicht": "nachricht", "nachrichtn": "nachrichten", "habn": "haben", "bekomm": "bekommen", "nichmehr": "nicht",
    "narichten": "nachrichten", "naricht": "nachricht", "mellungen": "meldungen", "mellung": "meldung",
    "keen": "kein", "keene": "keine", "mien": "mein", "bruuk": "brauche", "bruk": "brauche", "laat": "lass",
    "loot": "lass", "laten": "lassen", "buen": "bin", "heff": "habe", "hett": "hat", "hebbt": "habt",
    "weten": "wissen", "weet": "weiss", "rut": "raus", "ruut": "raus", "dor": "da", "vun": "von", "bidde": "bitte",
    "maakt": "macht", "maak": "mach", "mook": "mach", "geern": "gern", "sien": "sein", "anner": "andere",
    "boostellen": "baustellen", "boostell": "baustelle", "wedder": "wieder", "blots": "nur", "bloots": "nur",
    "snacken": "sprechen", "minschen": "menschen", "aennern": "aendern", "utsoeken": "aussuchen", "noog": "genug",
    "hool": "hoer", "hoolt": "hoert", "roh": "ruhe", "freden": "frieden", "tofreden": "zufrieden", "wat": "was",
    "woruem": "warum", "wannehr": "wann", "geiht": "geht", "kuemmt": "kommt", "weken": "wochen", "daag": "tage",
    "anropen": "anrufen", "kaamt": "kommt", "maal": "mal", "intresse": "interesse", "intrese": "interesse",
    "interese": "interesse", "interresse": "interesse", "intersse": "interesse", "intressiert": "interessiert",
    "interesiert": "interessiert", "intresiert": "interessiert",
    "ji": "ihr", "juem": "euch", "wuellt": "wollen", "wuell": "will", "schall": "soll", "allens": "alles", "ut": "aus",
    "af": "ab", "ook": "auch", "weller": "wieder", "wieter": "weiter", "maken": "machen",
    "wiedermaken": "weitermachen", "wietermaken": "weitermachen", "stuert": "schickt", "stueren": "schicken",
    "sennen": "senden", "straat": "strasse", "straten": "strassen", "maand": "monat", "maanden": "monate",
    "johr": "jahr", "twee": "zwei", "dree": "drei", "veer": "vier", "fief": "fuenf", "soess": "sechs",
    "soeven": "sieben", "negen": "neun", "teihn": "zehn", "huus": "haus", "krankenhuus": "krankenhaus",
    "huet": "heute", "nu": "nun", "aver": "aber", "dorvun": "davon", "dorvan": "davon", "dormit": "damit",
    "duesse": "diese", "disse": "diese", "duet": "dies", "woans": "wie", "kriggt": "kriegt", "kreeg": "kriege",
    "harr": "haette", "een": "ein", "tiet": "zeit", "smiet": "werf", "smieten": "werfen", "leven": "leben",
    "starven": "sterben", "doot": "tot", "huelp": "hilfe", "rook": "rauch", "seggt": "sagt", "sluss": "schluss",
    "bescheed": "bescheid", "nahrichten": "nachrichten", "nahricht": "nachricht", "paus": "pause", "truegg": "zurueck",
    "toruegg": "zurueck", "wiehnachten": "weihnachten", "oostern": "ostern", "pingsten": "pfingsten",
    "meldn": "melden", "nehmn": "nehmen", "nemt": "nehmt", "tragn": "tragen", "ausm": "aus", "haalt": "hoert",
    "rin": "rein", "ma": "mal", "koent": "koennt", "opschreven": "gespeichert", "vergeten": "vergessen",
    "mugg": "moechte", "muegg": "moechte", "huelpt": "helft", "hulp": "hilfe",
    "pasue": "pause", "wiso": "wieso", "bekome": "bekomme",
    "auschliesslich": "ausschliesslich", "ausschlieslich": "ausschliesslich", "auschlieslich": "ausschliesslich",
    "puase": "pause", "foer": "fuer", "gifft": "gibt", "eerst": "erst", "bruukt": "braucht",
    "mell": "melde", "schrieft": "schreibt", "naver": "nachbar", "nahber": "nachbar", "gemeend": "gemeinde",
    "utwahl": "auswahl", "utwaehlen": "auswaehlen", "utwaehlt": "ausgewaehlt", "wahn": "wohne", "week": "woche",
    "doerper": "doerfer", "fueer": "feuer", "gemeen": "gemeinde", "gmoa": "gemeinde", "gmoinda": "gemeinden",
    "jemeinde": "gemeinde", "jemeinden": "gemeinden", "oort": "ort", "oorten": "orte", "doerp": "dorf",
}  # fmt: skip
_BREAK = re.compile(
    r"(?<=[.!?])\s+|[;\n\r]+|,\s+(?!(?:dass|ob|wenn|wann|wie|was|wo|der|die|das|damit|um)\b"
    r"(?! (?:muss|kann|soll|geht|melde|mache|bekomme)\b))|\s[–—-]+\s|:\s+|"
    # the lookbehind tries a run of blanks once, not from each of them
    r"(?<![^\S\n\r])\s+\b(?:und(?=\s+(?:ich|wir|bitte|möchte|will|würde|hätte|zwar)\b)|aber|sondern|denn|weil|deswegen|"
    r"deshalb|daher|trotzdem|but|because)\b\s+",
    re.IGNORECASE,
)


def cut_middle(text: str, length: int) -> str:
    """Return the text; if it is longer, its beginning and end as two lines of whole words."""
    if len(text) <= length:
        return text
    head = int(length * BEGINNING)
    return f"{_CUT_AT_END.sub('', text[:head])}\n{_CUT_AT_START.sub('', text[head + 1 - length :])}"


def normalize_text(text: str) -> str:
    """Return the text in lower case, without accents and with umlauts written out."""
    folded = _DOUBLED.sub(r"\1", unicodedata.normalize("NFKC", text).casefold()).translate(_UMLAUTS)
    if folded.isascii():
        return folded
    letters = unicodedata.normalize("NFD", folded)
    bare = "".join(letter for letter in letters if unicodedata.category(letter) not in _INVISIBLE).translate(_BARE)
    return _MIXED.sub(lambda word: _normalize_script(word[0]), bare)


def _normalize_script(word: str) -> str:
    """Return a word of mixed scripts in one: in Latin if that is possible, else with all Cyrillic letters there are."""
    latin = word.translate(_TO_LATIN)
    return latin if latin.isascii() else word.translate(_TO_CYRILLIC)


def normalize_excerpt(text: str) -> str:
    """Return the normalized text, cut at each step since one character may become many: U+FDFA becomes eighteen."""
    excerpt = cut_middle(unicodedata.normalize("NFKC", cut_middle(text, MAX_TEXT_LENGTH)), 2 * MAX_TEXT_LENGTH)
    return cut_middle(_SLIPPED.sub("", normalize_text(excerpt)), MAX_TEXT_LENGTH)


def tokenize(text: str) -> list[str]:
    """Return the words of a text without punctuation and emoji, with stretched and spelled-out words restored.

    Longer texts are cut to MAX_TEXT_LENGTH characters.
    """
    return _find_words(normalize_excerpt(text))


def normalize_words(words: Iterable[str]) -> list[str]:
    """Return the words in standard German, joining those that were written as two."""
    return _join_split([_SPOKEN.get(word, word) for word in words])


def _find_words(normalized: str) -> list[str]:
    words = [STRETCHED.sub(r"\1", word) for word in _WORD.findall(normalized)]
    return normalize_words(_join_split(_join_spelled(words)))


def read_words(text: str) -> frozenset[str]:
    """Return the words of a text, spelled as `tokenize` spells them."""
    return frozenset(STRETCHED.sub(r"\1", word) for word in _WORD.findall(normalize_text(text)))


# "Melden Sie mich bitte an" is "anmelden".
_SEPARABLE_VERBS = {
    read_words("melde melden meldet meld"): {"an": "anmelden", "ab": "abmelden"},
    read_words("trage tragen tragt trag"): {"ein": "eintragen", "aus": "austragen"},
    read_words("nehme nehmen nehmt nimm nehm"): {"auf": "aufnehmen", "raus": "austragen", "heraus": "austragen"},
    read_words("setze setzen setzt setz"): {"aus": "aussetzen"},
    read_words("schreibe schreiben schreibt"): {"ein": "einschreiben"},
    read_words("schalte schalten schaltet"): {"frei": "freischalten", "ab": "abschalten", "aus": "ausschalten"},
    read_words("stelle stellt stell"): {"ab": "abstellen", "aus": "ausstellen"},
    read_words("fuege fuegen fuegt fueg"): {"hinzu": "hinzufuegen"},
    read_words("bestelle bestellen bestellt"): {"ab": "abbestellen"},
}
_PREFIXES = frozenset(prefix for prefixes in _SEPARABLE_VERBS.values() for prefix in prefixes)


def _join_separable_verb(words: Sequence[str]) -> Sequence[str]:
    if not words or words[-1] not in _PREFIXES:
        return words
    for index in range(len(words) - 2, -1, -1):
        verbs = next((by_prefix for forms, by_prefix in _SEPARABLE_VERBS.items() if words[index] in forms), {})
        if words[-1] in verbs:
            return [*words[:index], *words[index + 1 : -1], verbs[words[-1]]]
    return words


def _join_spelled(words: list[str]) -> list[str]:
    """Join three or more single letters in a row into one word: S T O P."""
    result: list[str] = []
    run: list[str] = []
    for word in [*words, ""]:
        if len(word) == 1 and not word.isdecimal():
            run.append(word)
            continue
        result += [STRETCHED.sub(r"\1", "".join(run))] if len(run) >= _SPELLED else run
        run = []
        result += [word] if word else []
    return result


def _join_split(words: list[str]) -> list[str]:
    result: list[str] = []
    for word in words:
        joined = _SPLIT.get((result[-1], word)) if result else None
        if joined:
            result[-1] = joined
        else:
            result.append(word)
    return result


class Phrase:
    """Words in their order, as a set, and as a sentence."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words

    @cached_property
    def word_set(self) -> frozenset[str]:
        return frozenset(self.words)

    @cached_property
    def sentence(self) -> str:
        return " ".join(self.words)

    @cached_property
    def joined(self) -> Sequence[str]:
        """Return the words with the last verb and its prefix joined at the end; unchanged without a prefix there."""
        return _join_separable_verb(self.words)


class CitizenText(Phrase):
    """Text of a citizen, tokenized once.

    `excerpt` is the part that is parsed; `normalized` is its normalized form, with punctuation.
    """

    def __init__(self, raw: str) -> None:
        self.raw = raw
        self.normalized = normalize_excerpt(raw)
        super().__init__(_find_words(self.normalized))

    @property
    def asks(self) -> bool:
        return "?" in self.raw

    @cached_property
    def excerpt(self) -> str:
        return cut_middle(self.raw, MAX_TEXT_LENGTH)

    @cached_property
    def in_german(self) -> str:
        """Return the normalized text with its punctuation, its words in standard German."""
        return _WORD.sub(lambda word: _SPOKEN.get(word[0], word[0]), self.normalized)

    @cached_property
    def signs(self) -> str:
        """Return the signs before words, each + or -, of a text that begins with one."""
        raw = self.raw.strip()
        return "".join(_SIGN.findall(raw)).translate(_DASHES) if raw[:1] in set("+−–-") else ""

    @cached_property
    def ranges(self) -> list[int]:
        """Return the numbers from the first to the last of "1-3" or "1 bis 3"."""
        bounds = (map(int, match.groups()) for match in _RANGE.finditer(self.normalized))
        return [number for first, last in bounds for number in range(first, last + 1)]

    @cached_property
    def clauses(self) -> "list[CitizenText]":
        """Return the parts between punctuation marks and some conjunctions; of many, only the first and the last.

        The list is empty if there is only one.
        """
        parts = self.split_at(_BREAK) if _BREAK.search(self.raw) else []
        if len(parts) > MAX_FIRST_CLAUSES + MAX_LAST_CLAUSES:
            return parts[:MAX_FIRST_CLAUSES] + parts[-MAX_LAST_CLAUSES:]
        return parts if len(parts) > 1 else []

    @cached_property
    def sentences(self) -> "list[CitizenText]":
        sentences = SENTENCE.findall(self.excerpt)
        return [self] if sentences == [self.raw] else [CitizenText(sentence) for sentence in sentences]

    @property
    def is_question(self) -> bool:
        return self.raw.rstrip().endswith("?")

    def split_at(self, separator: re.Pattern[str]) -> "list[CitizenText]":
        """Return the parts that have words."""
        return split_text(self.excerpt, separator)


def split_text(text: str, separator: re.Pattern[str]) -> list[CitizenText]:
    """Return the parts of a text that have words."""
    parts = (CitizenText(part.strip()) for part in separator.split(text) if part)
    return [part for part in parts if part.words]


class Signs:
    """Signs of an intent in a phrase, which is a text or some of its words; each sign is computed on access."""

    def __init__(self, text: CitizenText, phrase: Phrase) -> None:
        self.text, self.phrase = text, phrase
        self.words, self.word_set, self.sentence = phrase.words, phrase.word_set, phrase.sentence

"""Signs of a start, which counts only with exactly these words; and typos of the words that we know."""

from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import pairwise

from rapidfuzz.distance import OSA

from services.subscriptions.domain.intents import foreign_phrases, phrases
from services.subscriptions.domain.intents.intent import Intent
from services.subscriptions.domain.intents.text import Signs, read_words
from services.subscriptions.domain.intents.vocabulary import (
    FILLER_WORDS,
    HOW,
    NO,
    OTHER_BUSINESS,
    OWN,
    START,
    START_ALONE,
    START_AROUND,
    START_LIKE_WORDS,
    STOP_WORDS,
)

MAX_START_WORDS = 12
MAX_DOUBT_WORDS = 25

_WISHING = read_words("will moechte moecht wuerde moechten wollen wuerden")
_PEOPLE = read_words("mann frau partner partnerin freund freundin bekannte bekannter bekannten kollege kollegin")
_CONSENT = read_words("einwilligung einverstaendnis zustimmung erlaubnis erhalt empfang bezug versand zusendung")
_ARTICLES = read_words("ein das ihr euer ihren diesen")
_TO = read_words("fuer zu zum zur bei beim in im von vom an am auf aus")
# Words of somebody who starts. "Start" and "Abo" are also names, and count only on their own.
_JOINING = START_LIKE_WORDS - read_words(
    "start startet starte abo abonnement zurueck neu angemeldet abonniert mnie ol baslat"
)
_NOUNS = read_words("start")
_OF = read_words("der den dem zum beim vom des am")
_NOT_ABOUT_US = read_words("wann wohin bleiben")
_STARTING = START | read_words("starten anmelde anmeldet")
_AROUND = START_AROUND | FILLER_WORDS | NO | HOW | START_LIKE_WORDS
_NAMED = _AROUND | _PEOPLE | _CONSENT

MIN_SIMILARITY = 0.78
MIN_LEAD = 0.08
MIN_WORD_LENGTH = 4
MAX_TYPO_WORDS = 2
MIN_LONG_WORD_LENGTH = 7
MIN_LONG_WORD_SIMILARITY = 0.85

_LEAVE = read_words("""abmelden abmeldung abbestellen abbestellung austragen kuendigen kuendigung kuendige widerrufen
    widerrufe widerruf deabonnieren unsubscribe stornieren""")
_JOIN = read_words("anmelden anmeldung abonnieren abonniere registrieren eintragen freischalten subscribe")
# Words that look like a typo but are not.
_NO_SLIP = read_words("""vermelden melden ummelden auftragen vertragen anmeldet anmelden angemeldet abgemeldet
    auszutragen zutragen ausfragen beantragen betragen antragen ankuendigen ankuendigung erkundigen verkuendigen
    aushaengen anbestellen bestellen bestellung vorbestellen nachbestellen abstellen anstellen verbestellen anmeldungen
    abonnement abonnements ummeldung meldung vermeldung eintragung austragung eintraege abmeldungen subscriber
    ausgetragen eingetragen ausschlafen fortragen vortragen""")

_STOP = sorted("stop")

# Transpositions and typos of four-letter words, which are not similar enough for a match.
_EXPLICIT = {
    Intent.ASK_BOTH: read_words("amelden amelde amedlen anbmelden abnmelden ammelden"),
    Intent.ASK_START: read_words("""strat satrt sart statr strt stat startt tsart srart atart dtart sztart stsrt
    strart abbo aboo abbonement abonement"""),
    Intent.HELP: read_words("hife hlife hilf hlfe hielfe hiilfe hilfee"),
}
_KNOWN_WORDS = {
    Intent.STOP: read_words("""stop stopp stoppen abmelden abmeldung abbestellen austragen kuendigen kuendigung
    beenden unsubscribe deabonnieren widerrufen aufhoeren"""),
    Intent.ASK_START: read_words("start starten anmelden anmeldung abonnieren abonnement subscribe"),
    Intent.TOPICS: read_words("themen auswahl einstellungen"),
    Intent.PAUSE: read_words("pause pausieren"),
    Intent.DATA: read_words("datenauskunft auskunft"),
    Intent.ERASE: read_words("loeschen"),
    Intent.HELP: read_words("hilfe"),
    Intent.WHY: read_words("warum"),
}
# Ordinary words that would match one of the known words.
_INNOCENT = read_words("""daten thema pausen starr staat stark stadt sport spott stoff topp shop post tops pots opts
    spot spaten ende melden
    stunden bestellen vorbestellen nachbestellen tragen anfragen eintragen umtragen auftragen vertragen kuendigt
    bearbeiten beeindruckend wenden senden enden vermelden ummelden anmeldet halle hilfen darum ware hoeren gehoeren
    themse losen lesen loesen loesung ausloeschen melde anmelder warm""")


class StartSigns(Signs):
    """Signs of a start in a phrase."""

    @property
    def is_start(self) -> bool:
        """Return whether these words are a consent; a question never is."""
        if not self.word_set or self.text.asks or len(self.words) > MAX_START_WORDS:
            return False
        if foreign_phrases.START.search(self.sentence):
            return True
        if self.word_set & NO:
            return False
        return (len(self.word_set) == 1 and self.word_set <= START_ALONE) or self._is_plain_request

    @property
    def is_denied(self) -> bool:
        """Return whether a start is denied: "Ich möchte mich nicht anmelden"."""
        return bool(self.word_set & _STARTING) and bool(self.word_set & NO) and self.word_set <= _AROUND

    @cached_property
    def may_be_start(self) -> bool:
        """Return whether the text may mean a start, so that the person should be asked."""
        words = self.word_set
        if words & OTHER_BUSINESS or self._is_about_something_else:
            return False
        if (self.is_joining or foreign_phrases.START_LIKE.search(self.sentence)) and not words & NO:
            return True
        if words & START_LIKE_WORDS and words <= _AROUND:
            return True
        is_doubtful = bool(words & _JOINING) or self._is_near_start
        return is_doubtful and not words & (NO | _NOT_ABOUT_US) and len(self.words) <= MAX_DOUBT_WORDS

    @cached_property
    def is_joining(self) -> bool:
        """Return whether somebody would like to get messages, which is not a consent yet."""
        return bool(phrases.JOINING.search(self.sentence))

    @property
    def typo(self) -> Intent | None:
        """Return the one intent to which a text of one or two words with a typo is close, else None.

        A word that is close to both a start word and a stop word leads to a question in any text.
        """
        if any(_is_near(word, _JOIN) and _is_near(word, _LEAVE) for word in self.words):
            return Intent.ASK_BOTH
        if not 0 < len(self.words) <= MAX_TYPO_WORDS:
            return None
        intents = {intent for word in self.words if (intent := _match_word(word)) is not None}
        if len(intents) > 1:
            return Intent.ASK_BOTH if intents == {Intent.STOP, Intent.ASK_START} else None
        return intents.pop() if intents and len(self.words) == 1 else None

    @property
    def _is_near_start(self) -> bool:
        """Return whether a word is close to a start word, and not to a stop word: "Abmeldung" is near "Anmeldung"."""
        candidates = (word for word in self.words if _is_near(word, _JOIN))
        return any(word not in STOP_WORDS and not _is_near(word, _LEAVE) for word in candidates)

    @property
    def _is_about_something_else(self) -> bool:
        """Return whether the text is about something with an unknown name."""
        pairs = list(pairwise(self.words))
        has_unknown_name = any(word in OWN | _TO and following not in _NAMED for word, following in pairs)
        return has_unknown_name or any({*pair} & _NOUNS and {*pair} & _OF for pair in pairs)

    @property
    def _is_plain_request(self) -> bool:
        """Return whether it is a plain request: "Ich möchte mich anmelden"."""
        around = START_AROUND | _ARTICLES if self.word_set & _WISHING else START_AROUND
        return bool(self.word_set & START) and self.word_set <= START | around


def correct_stop_typos(words: Sequence[str]) -> list[str]:
    """Correct stop words with a typo, also within a sentence; leave all other words unchanged."""
    return [_find_correction(word) or word for word in words]


def _is_near(word: str, known: frozenset[str]) -> bool:
    return len(word) >= MIN_LONG_WORD_LENGTH and word not in _NO_SLIP | known and _find_nearest(word, known) is not None


@lru_cache(maxsize=4096)
def _find_correction(word: str) -> str | None:
    if word.endswith("n") and (spelled := f"{word[:-1]}en") in STOP_WORDS:
        return spelled  # "abmeldn", as it is spoken
    if len(word) < MIN_LONG_WORD_LENGTH or word in _NO_SLIP or word in STOP_WORDS or _find_nearest(word, _JOIN):
        return None
    return _find_nearest(word, _LEAVE)


def _find_nearest(word: str, known: frozenset[str]) -> str | None:
    score, best = max((OSA.normalized_similarity(word, each), each) for each in known)
    return best if score >= MIN_LONG_WORD_SIMILARITY else None


def _match_word(word: str) -> Intent | None:
    if sorted(word) == _STOP and word not in _INNOCENT:
        return Intent.STOP
    for intent, spelled in (*_EXPLICIT.items(), *_KNOWN_WORDS.items()):
        if word in spelled:
            return intent
    if len(word) < MIN_WORD_LENGTH or word in _INNOCENT:
        return None
    ranked = sorted(
        (
            (max(OSA.normalized_similarity(word, each) for each in known), intent)
            for intent, known in _KNOWN_WORDS.items()
        ),
        reverse=True,
    )
    (best, intent), (second, _) = ranked[:2]
    return intent if best >= MIN_SIMILARITY and best - second >= MIN_LEAD else None

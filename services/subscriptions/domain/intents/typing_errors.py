"""Detection of words that are nearly one of ours."""

from collections.abc import Sequence
from functools import lru_cache

from rapidfuzz.distance import OSA

from services.subscriptions.domain.intents.intent import Intent
from services.subscriptions.domain.intents.text import read_words
from services.subscriptions.domain.intents.vocabulary import STOP_WORDS

MIN_SIMILARITY = 0.78
MIN_LEAD = 0.08
MIN_WORD_LENGTH = 4
MAX_WORDS = 2
MIN_LONG_WORD_LENGTH = 7
MIN_LONG_WORD_SIMILARITY = 0.85

_LEAVE = read_words("""abmelden abmeldung abbestellen abbestellung austragen kuendigen kuendigung kuendige widerrufen
    widerrufe widerruf deabonnieren unsubscribe stornieren""")
_JOIN = read_words("anmelden anmeldung abonnieren abonniere registrieren eintragen freischalten subscribe")
# Words that look like a typo and are none.
_NO_SLIP = read_words("""vermelden melden ummelden auftragen vertragen anmeldet anmelden angemeldet abgemeldet
    auszutragen zutragen ausfragen beantragen betragen antragen auftragen ankuendigen ankuendigung erkundigen
    verkuendigen aushaengen anbestellen bestellen bestellung vorbestellen nachbestellen abstellen anstellen
    verbestellen anmeldungen abonnement abonnements ummeldung meldung vermeldung eintragung austragung eintraege
    abmeldungen subscriber ausgetragen eingetragen ausschlafen fortragen vortragen""")

_STOP = sorted("stop")

# Transpositions and typos of four-letter words, which are not similar enough to be found.
_EXPLICIT = {
    Intent.ASK_BOTH: read_words("amelden amelde amedlen anbmelden abnmelden ammelden"),
    Intent.ASK_START: read_words("""strat satrt sart statr strt stat startt tsart srart atart dtart sztart stsrt
    strart abbo aboo abbonement abonement"""),
    Intent.HELP: read_words("hife hlife hilf hlfe hielfe hiilfe hilfee"),
}
_WORDS = {
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
# Ordinary words that would match one of ours.
_INNOCENT = read_words("""daten thema pausen starr staat stark stadt sport spott stoff topp shop post tops pots opts
    spot spaten ende melden
    stunden bestellen vorbestellen nachbestellen tragen anfragen eintragen umtragen auftragen vertragen kuendigt
    bearbeiten beeindruckend wenden senden enden vermelden ummelden anmeldet halle hilfen darum ware hoeren gehoeren
    themse losen lesen loesen loesung ausloeschen melde anmelder warm""")


def match_typo(words: Sequence[str]) -> Intent | None:
    """Return the one intent to which a text of one or two words with a typo is close, else None."""
    if not 0 < len(words) <= MAX_WORDS:
        return None
    found = {intent for word in words if (intent := _match_word(word)) is not None}
    if len(found) > 1:
        return Intent.ASK_BOTH if found == {Intent.STOP, Intent.ASK_START} else None
    return found.pop() if found and len(words) == 1 else None


def correct_stop_typos(words: Sequence[str]) -> list[str]:
    """Correct stop words with a typo, also within a sentence; leave all other words unchanged."""
    return [_find_correction(word) or word for word in words]


def is_near_start(words: Sequence[str]) -> bool:
    """Return whether a word is close to a start word, and not to a stop word: "Abmeldung" is near "Anmeldung"."""
    return any(_is_near(word, _JOIN) and word not in STOP_WORDS and not _is_near(word, _LEAVE) for word in words)


def is_near_both(words: Sequence[str]) -> bool:
    """Return whether a word is close to both a start word and a stop word."""
    return any(_is_near(word, _JOIN) and _is_near(word, _LEAVE) for word in words)


def _is_near(word: str, known: frozenset[str]) -> bool:
    return len(word) >= MIN_LONG_WORD_LENGTH and word not in _NO_SLIP | known and _find_nearest(word, known) is not None


@lru_cache(maxsize=4096)
def _find_correction(word: str) -> str | None:
    if len(word) < MIN_LONG_WORD_LENGTH or word in _NO_SLIP or word in STOP_WORDS or _find_nearest(word, _JOIN):
        return None
    return _find_nearest(word, _LEAVE)


def _find_nearest(word: str, known: frozenset[str]) -> str | None:
    score, best = max((OSA.normalized_similarity(word, each), each) for each in known)
    return best if score >= MIN_LONG_WORD_SIMILARITY else None


def _match_word(word: str) -> Intent | None:
    if sorted(word) == _STOP and word not in _INNOCENT:
        return Intent.STOP
    for intent, spelled in (*_EXPLICIT.items(), *_WORDS.items()):
        if word in spelled:
            return intent
    if len(word) < MIN_WORD_LENGTH or word in _INNOCENT:
        return None
    ranked = sorted(((_measure_similarity(word, known), intent) for intent, known in _WORDS.items()), reverse=True)
    (best, intent), (second, _) = ranked[:2]
    return intent if best >= MIN_SIMILARITY and best - second >= MIN_LEAD else None


def _measure_similarity(word: str, known: frozenset[str]) -> float:
    return max(OSA.normalized_similarity(word, each) for each in known)

"""Words that are nearly one of ours: one or two of them, never a sentence."""

from collections.abc import Sequence
from functools import lru_cache

from rapidfuzz.distance import OSA

from services.subscriptions.domain.language.intents import Intent
from services.subscriptions.domain.language.spelling import vocabulary
from services.subscriptions.domain.language.vocabulary import LEAVE

SIMILAR = 0.78
AHEAD = 0.08
SHORTEST = 4
MOST_WORDS = 2
LONG = 7
VERY_SIMILAR = 0.85

_LEAVE = vocabulary("""abmelden abmeldung abbestellen abbestellung austragen kuendigen kuendigung kuendige widerrufen
    widerrufe widerruf deabonnieren unsubscribe stornieren""")
_JOIN = vocabulary("anmelden anmeldung abonnieren abonniere registrieren eintragen freischalten subscribe")
# Words that look like a slip and are none.
_NO_SLIP = vocabulary("""vermelden melden ummelden auftragen vertragen anmeldet anmelden angemeldet abgemeldet
    auszutragen zutragen ausfragen beantragen betragen antragen auftragen ankuendigen ankuendigung erkundigen
    verkuendigen aushaengen anbestellen bestellen bestellung vorbestellen nachbestellen abstellen anstellen
    verbestellen anmeldungen abonnement abonnements ummeldung meldung vermeldung eintragung austragung eintraege
    abmeldungen subscriber ausgetragen eingetragen ausschlafen fortragen vortragen""")

_STOP = sorted("stop")

# Transpositions and slips of four-letter words are too far away to be found by similarity.
_EXPLICIT = {
    Intent.ASK_BOTH: vocabulary("amelden amelde amedlen anbmelden abnmelden ammelden"),
    Intent.ASK_START: vocabulary("""strat satrt sart statr strt stat startt tsart srart atart dtart sztart stsrt
    strart abbo aboo abbonement abonement"""),
    Intent.HELP: vocabulary("hife hlife hilf hlfe hielfe hiilfe hilfee"),
}
_WORDS = {
    Intent.STOP: vocabulary("""stop stopp stoppen abmelden abmeldung abbestellen austragen kuendigen kuendigung
    beenden unsubscribe deabonnieren widerrufen aufhoeren"""),
    Intent.ASK_START: vocabulary("start starten anmelden anmeldung abonnieren abonnement subscribe"),
    Intent.TOPICS: vocabulary("themen auswahl einstellungen"),
    Intent.PAUSE: vocabulary("pause pausieren"),
    Intent.DATA: vocabulary("datenauskunft auskunft"),
    Intent.ERASE: vocabulary("loeschen"),
    Intent.HELP: vocabulary("hilfe"),
    Intent.WHY: vocabulary("warum"),
}
# Ordinary words that would be taken for one of ours.
_INNOCENT = vocabulary("""daten thema pausen starr staat stark stadt sport spott stoff topp shop post tops pots opts
    spot spaten ende melden
    stunden bestellen vorbestellen nachbestellen tragen anfragen eintragen umtragen auftragen vertragen kuendigt
    bearbeiten beeindruckend wenden senden enden vermelden ummelden anmeldet halle hilfen darum ware hoeren gehoeren
    themse losen lesen loesen loesung ausloeschen melde anmelder warm""")


def meant(words: Sequence[str]) -> Intent | None:
    """The one intent that a short text with a typing error comes near to."""
    if not 0 < len(words) <= MOST_WORDS:
        return None
    found = {intent for word in words if (intent := _meant(word)) is not None}
    if len(found) > 1:
        return Intent.ASK_BOTH if found == {Intent.STOP, Intent.ASK_START} else None
    return found.pop() if found and len(words) == 1 else None


def corrected(words: Sequence[str]) -> list[str]:
    """A word of leaving with a slip in it is that word, also within a sentence; nothing else is touched."""
    return [_slip(word) or word for word in words]


def joinish(words: Sequence[str]) -> bool:
    """Whether a word is nearly one of joining, and not of leaving as well: "Abmeldung" is a letter from "Anmeldung"."""
    return any(_near(word, _JOIN) and word not in LEAVE and not _near(word, _LEAVE) for word in words)


def undecided(words: Sequence[str]) -> bool:
    """Whether a word is as near to one of joining as to one of leaving."""
    return any(_near(word, _JOIN) and _near(word, _LEAVE) for word in words)


def _near(word: str, known: frozenset[str]) -> bool:
    return len(word) >= LONG and word not in _NO_SLIP | known and _nearest(word, known) is not None


@lru_cache(maxsize=4096)
def _slip(word: str) -> str | None:
    if len(word) < LONG or word in _NO_SLIP or word in LEAVE or _nearest(word, _JOIN):
        return None
    return _nearest(word, _LEAVE)


def _nearest(word: str, known: frozenset[str]) -> str | None:
    score, best = max((OSA.normalized_similarity(word, each), each) for each in known)
    return best if score >= VERY_SIMILAR else None


def _meant(word: str) -> Intent | None:
    if sorted(word) == _STOP and word not in _INNOCENT:
        return Intent.STOP
    for intent, spelled in (*_EXPLICIT.items(), *_WORDS.items()):
        if word in spelled:
            return intent
    if len(word) < SHORTEST or word in _INNOCENT:
        return None
    ranked = sorted(((_similarity(word, known), intent) for intent, known in _WORDS.items()), reverse=True)
    (best, intent), (second, _) = ranked[:2]
    return intent if best >= SIMILAR and best - second >= AHEAD else None


def _similarity(word: str, known: frozenset[str]) -> float:
    return max(OSA.normalized_similarity(word, each) for each in known)

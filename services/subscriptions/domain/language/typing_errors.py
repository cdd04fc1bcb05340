"""Words that are nearly one of ours: one or two of them, never a sentence."""

from collections.abc import Sequence

from rapidfuzz.distance import OSA

from services.subscriptions.domain.language.intents import Intent
from services.subscriptions.domain.language.spelling import vocabulary

SIMILAR = 0.78
AHEAD = 0.08
SHORTEST = 4
MOST_WORDS = 2

# Transpositions and slips of four-letter words are too far away to be found by similarity.
_EXPLICIT = {
    Intent.ASK_BOTH: vocabulary("amelden amelde amedlen anbmelden abnmelden ammelden"),
    Intent.ASK_START: vocabulary("""strat satrt sart statr strt stat startt tsart srart atart dtart sztart stsrt
    strart"""),
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
_INNOCENT = vocabulary("""daten thema pausen starr staat stark stadt sport spott stoff topp shop spaten ende melden
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


def _meant(word: str) -> Intent | None:
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

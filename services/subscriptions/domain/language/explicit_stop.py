"""A plain "Stop" is obeyed whatever else is said, or the person is asked; no guess overrules it."""

import re

from services.subscriptions.domain.language.intents import Intent, Wish
from services.subscriptions.domain.language.leaving import ends_with_stop
from services.subscriptions.domain.language.spelling import LONGEST, vocabulary, words_of
from services.subscriptions.domain.language.vocabulary import ONLY, POLITE, STOP

_SENTENCE = re.compile(r"[^.!?;…\n\r]+[.!?;…]*")
# "Stop, das reicht jetzt": but what follows the comma may say what of.
_FIRST = re.compile(r"\W*(?:bitte\s+)?(?:stop|stopp)\s*,\s", re.IGNORECASE)
_MAY_SURROUND = POLITE | vocabulary("""ja nein jetzt sofort endlich ich sage sag bye tschuess
    ciao und noch trotzdem einen schoenes schoenen schoene tag abend woche wochenende sonntag feiertage alles gute
    wuensche ihnen euch allen fuer auch""")
_SETTLED = frozenset((Intent.STOP, Intent.ERASE, Intent.ASK_ERASE, Intent.ASK_BOTH, Intent.EMERGENCY))
_STARTING = frozenset((Intent.START, Intent.ASK_START))
# Something else was asked for as clearly: which of the two is meant, only the person knows.
_RIVALS = frozenset((Intent.PAUSE, Intent.RESUME, Intent.ONLY, Intent.ADD, Intent.REMOVE))
# "Baustellen stop": here the last word belongs to what is before it.
_WITH_OBJECT = frozenset((Intent.ONLY, Intent.REMOVE, Intent.ASK_STOP))


def obey_stop(wish: Wish, text: str) -> Wish:
    """Return what to do about a text whose wish is `wish` otherwise."""
    if wish.intent in _SETTLED:
        return wish
    said_aside = ends_with_stop(text) or _FIRST.match(text)
    if not _is_a_sentence(text) and (not said_aside or _is_about_a_part(wish, text)):
        return wish
    if wish.intent in _STARTING:
        return Wish(intent=Intent.ASK_BOTH)
    rival = wish.intent in _RIVALS or bool(wish.places) or wish.every_place
    return Wish(intent=Intent.ASK_STOP if rival else Intent.STOP)


def _is_about_a_part(wish: Wish, text: str) -> bool:
    """ "Baustellen stop", but not "nur Baustellen stop"."""
    return wish.intent in _WITH_OBJECT and not ONLY & set(words_of(text))


def _is_a_sentence(text: str) -> bool:
    """Whether a sentence holds nothing but "Stop" and politeness, and is no question in a longer text."""
    sentences = [(found[0], set(words_of(found[0]))) for found in _SENTENCE.finditer(text[:LONGEST])]
    spoken = [(sentence, words) for sentence, words in sentences if words]
    return any(
        words & STOP and words <= STOP | _MAY_SURROUND and (len(spoken) == 1 or not sentence.rstrip().endswith("?"))
        for sentence, words in spoken
    )

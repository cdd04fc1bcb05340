"""Whether somebody wants to join: only with exactly these words, and without a doubt."""

from collections.abc import Sequence
from itertools import pairwise

from services.subscriptions.domain.language import foreign, phrases
from services.subscriptions.domain.language.spelling import vocabulary
from services.subscriptions.domain.language.typing_errors import joinish
from services.subscriptions.domain.language.vocabulary import (
    AROUND,
    HOW,
    JOINISH,
    NO,
    OTHER_BUSINESS,
    OWN,
    POLITE,
    START,
    START_ALONE,
    START_AROUND,
)

LONGEST_WISH = 12
LONGEST_DOUBT = 25

_WISHING = vocabulary("will moechte moecht wuerde moechten wollen wuerden")
_PEOPLE = vocabulary("mann frau partner partnerin freund freundin bekannte bekannter bekannten kollege kollegin")
_ARTICLES = vocabulary("ein das ihr euer ihren diesen")
_TO = vocabulary("fuer zu zum zur bei beim in im von vom an am auf aus")
# What somebody does who joins; "Start" and "Abo" are names as well, and mean it only where nothing else is said.
_JOINING = JOINISH - vocabulary("start startet starte abo abonnement zurueck neu angemeldet abonniert mnie ol baslat")
_NOUNS = vocabulary("start")
_OF = vocabulary("der den dem zum beim vom des am")
_NOT_ABOUT_US = vocabulary("wann wohin bleiben")


def joins(words: Sequence[str], text: str) -> bool:
    """Whether these words are a consent. A question never is one."""
    said = set(words)
    if not said or "?" in text or len(words) > LONGEST_WISH:
        return False
    if foreign.START.search(" ".join(words)):
        return True
    if said & NO:
        return False
    return (len(said) == 1 and said <= START_ALONE) or _asks_for_it(said)


def declines(words: Sequence[str]) -> bool:
    """ "Ich möchte mich nicht anmelden"."""
    said = set(words)
    joining = said & (START | vocabulary("starten anmelde anmeldet"))
    return bool(joining) and bool(said & NO) and said <= START_AROUND | AROUND | NO | HOW | JOINISH


def may_be_joining(words: Sequence[str]) -> bool:
    """Worth asking back."""
    said, sentence = set(words), " ".join(words)
    if said & OTHER_BUSINESS or _about_something_else(words):
        return False
    if (phrases.JOINING.search(sentence) or foreign.JOINISH.search(sentence)) and not said & NO:
        return True
    if said & JOINISH and said <= JOINISH | START_AROUND | HOW | NO | POLITE | AROUND:
        return True
    doubtful = bool(said & _JOINING) or joinish(words)
    return doubtful and not said & (NO | _NOT_ABOUT_US) and len(words) <= LONGEST_DOUBT


def _about_something_else(words: Sequence[str]) -> bool:
    """Something with a name that we do not know."""
    known = AROUND | JOINISH | START_AROUND | HOW | NO | _PEOPLE
    named = any(word in OWN | _TO and following not in known for word, following in pairwise(words))
    return named or any({word, following} & _NOUNS and {word, following} & _OF for word, following in pairwise(words))


def _asks_for_it(said: set[str]) -> bool:
    """ "Ich möchte mich anmelden"."""
    around = START_AROUND | _ARTICLES if said & _WISHING else START_AROUND
    return bool(said & START) and said <= START | around

"""Detection of a start: only with exactly these words, and without a doubt."""

from collections.abc import Sequence
from itertools import pairwise

from services.subscriptions.domain.intents import foreign_phrases, phrases
from services.subscriptions.domain.intents.text import read_words
from services.subscriptions.domain.intents.typing_errors import is_near_start
from services.subscriptions.domain.intents.vocabulary import (
    FILLER_WORDS,
    HOW,
    NO,
    OTHER_BUSINESS,
    OWN,
    POLITE,
    START,
    START_ALONE,
    START_AROUND,
    START_LIKE_WORDS,
)

MAX_START_WORDS = 12
MAX_DOUBT_WORDS = 25

_WISHING = read_words("will moechte moecht wuerde moechten wollen wuerden")
_PEOPLE = read_words("mann frau partner partnerin freund freundin bekannte bekannter bekannten kollege kollegin")
_CONSENT = read_words("einwilligung einverstaendnis zustimmung erlaubnis erhalt empfang bezug versand zusendung")
_ARTICLES = read_words("ein das ihr euer ihren diesen")
_TO = read_words("fuer zu zum zur bei beim in im von vom an am auf aus")
# Words of somebody who starts; "Start" and "Abo" are names as well, and count only where nothing else is said.
_JOINING = START_LIKE_WORDS - read_words(
    "start startet starte abo abonnement zurueck neu angemeldet abonniert mnie ol baslat"
)
_NOUNS = read_words("start")
_OF = read_words("der den dem zum beim vom des am")
_NOT_ABOUT_US = read_words("wann wohin bleiben")


def is_start(words: Sequence[str], text: str) -> bool:
    """Return whether these words are consent. A question never is."""
    said = set(words)
    if not said or "?" in text or len(words) > MAX_START_WORDS:
        return False
    if foreign_phrases.START.search(" ".join(words)):
        return True
    if said & NO:
        return False
    return (len(said) == 1 and said <= START_ALONE) or _is_plain_request(said)


def is_start_denied(words: Sequence[str]) -> bool:
    """Return whether a start is denied: "Ich möchte mich nicht anmelden"."""
    said = set(words)
    joining = said & (START | read_words("starten anmelde anmeldet"))
    return bool(joining) and bool(said & NO) and said <= START_AROUND | FILLER_WORDS | NO | HOW | START_LIKE_WORDS


def may_be_start(words: Sequence[str]) -> bool:
    """Return whether the text may mean a start, so that the person is to be asked."""
    said, sentence = set(words), " ".join(words)
    if said & OTHER_BUSINESS or _is_about_something_else(words):
        return False
    if (phrases.JOINING.search(sentence) or foreign_phrases.START_LIKE.search(sentence)) and not said & NO:
        return True
    if said & START_LIKE_WORDS and said <= START_LIKE_WORDS | START_AROUND | HOW | NO | POLITE | FILLER_WORDS:
        return True
    doubtful = bool(said & _JOINING) or is_near_start(words)
    return doubtful and not said & (NO | _NOT_ABOUT_US) and len(words) <= MAX_DOUBT_WORDS


def _is_about_something_else(words: Sequence[str]) -> bool:
    """Return whether the text is about something with a name that we do not know."""
    known = FILLER_WORDS | START_LIKE_WORDS | START_AROUND | HOW | NO | _PEOPLE | _CONSENT
    named = any(word in OWN | _TO and following not in known for word, following in pairwise(words))
    return named or any({word, following} & _NOUNS and {word, following} & _OF for word, following in pairwise(words))


def _is_plain_request(said: set[str]) -> bool:
    """Return whether it is a plain request: "Ich möchte mich anmelden"."""
    around = START_AROUND | _ARTICLES if said & _WISHING else START_AROUND
    return bool(said & START) and said <= START | around

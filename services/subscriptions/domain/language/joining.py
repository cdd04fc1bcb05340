"""Whether somebody wants to join: only with exactly these words, and without a doubt."""

from collections.abc import Sequence

from services.subscriptions.domain.language import phrases
from services.subscriptions.domain.language.spelling import vocabulary
from services.subscriptions.domain.language.vocabulary import (
    HOW,
    JOINISH,
    NO,
    OTHER_BUSINESS,
    POLITE,
    START,
    START_ALONE,
    START_AROUND,
)

LONGEST_WISH = 12

_WISHING = vocabulary("will moechte moecht wuerde")
_ARTICLES = vocabulary("ein das ihr euer ihren diesen")


def joins(words: Sequence[str], text: str) -> bool:
    """Whether these words are a consent. A question never is one."""
    said = set(words)
    if not said or "?" in text or said & NO or len(words) > LONGEST_WISH:
        return False
    return (len(said) == 1 and said <= START_ALONE) or _asks_for_it(said)


def may_be_joining(words: Sequence[str]) -> bool:
    """Worth asking back."""
    said = set(words)
    if said & OTHER_BUSINESS:
        return False
    if phrases.JOINING.search(" ".join(words)) and not said & NO:
        return True
    if not said & JOINISH:
        return False
    return said <= JOINISH | START_AROUND | HOW | NO | POLITE


def _asks_for_it(said: set[str]) -> bool:
    """ "Ich möchte mich anmelden"."""
    around = START_AROUND | _ARTICLES if said & _WISHING else START_AROUND
    return bool(said & START) and said <= START | around

"""What a text looks like to the guesser: its words, their neighbours, and pieces of them that survive slips."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, pairwise

from services.subscriptions.domain.language.spelling import plain_start, standard_words
from services.subscriptions.domain.language.vocabulary import POLITE, SIGN_OFF

MOST_WORDS = 120
# "Melden Sie mich ab": how far the words of a pair are apart at most.
FARTHEST = 4
PIECE = 4
# What is longer than that may be a letter, with a greeting and a name.
LETTER = 8
_BEFORE_SIGN_OFF = POLITE | {"mit"}
_STRETCHED = re.compile(r"([^\W\d_])\1{2,}")
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"[^\W_]+|\?")
_MOST_WORDS_REMEMBERED = 20_000


def features_of(text: str, sort: Callable[[str], str]) -> Sequence[str]:
    """Return each feature once: runs and pairs of words (or of their sorts), and pieces, which begin with `#`."""
    words = _body(standard_words(_words(text)))
    sorts = [sort(word) for word in words]
    return list(dict.fromkeys(chain(sorts, _runs(sorts), _pairs(sorts), *map(_pieces, words))))


def is_piece(feature: str) -> bool:
    return feature[0] == "#"


def is_special(feature: str) -> bool:
    """Return whether a feature says nothing about other texts if only one has it: three words, a pair, a piece."""
    return feature.count(" ") > 1 or is_piece(feature)


def _words(text: str) -> list[str]:
    """Every number is the same one. A question mark counts as a word: "Kostet das etwas?"."""
    numbered = _NUMBER.sub("9", plain_start(text))
    return _WORD.findall(_STRETCHED.sub(r"\1", numbered))[:MOST_WORDS]


def _body(words: list[str]) -> list[str]:
    """Without the greeting, the formula at the end and the name below it, which say nothing about the wish."""
    if len(words) < LETTER:
        return words
    start = next((index for index, word in enumerate(words) if word not in POLITE), 0)
    end = next((index for index in range(len(words) - LETTER, len(words)) if words[index] in SIGN_OFF), len(words))
    while start < end < len(words) and words[end - 1] in _BEFORE_SIGN_OFF:
        end -= 1
    return words[start:end] or words


def _runs(words: Sequence[str]) -> Iterator[str]:
    """Two and three words that follow one another."""
    yield from map(" ".join, pairwise(words))
    yield from map(" ".join, zip(words, words[1:], words[2:], strict=False))


def _pairs(words: Sequence[str]) -> Iterator[str]:
    """Words that belong together over others; as rare as runs of three, and weighed as such."""
    for distance in range(2, FARTHEST + 1):
        yield from map(" .. ".join, zip(words, words[distance:], strict=False))


@lru_cache(maxsize=_MOST_WORDS_REMEMBERED)
def _pieces(word: str) -> tuple[str, ...]:
    """Four letters each, the word's ends among them; a short word is one piece."""
    bounded = f" {word} "
    return tuple(f"#{bounded[start : start + PIECE]}" for start in range(max(1, len(bounded) - PIECE + 1)))

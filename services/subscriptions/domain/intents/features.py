"""What a text looks like to the guesser: its words, their neighbours, and pieces of them that survive slips."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, pairwise

from services.subscriptions.domain.intents.text import normalize_start, normalize_words
from services.subscriptions.domain.intents.vocabulary import POLITE, SIGN_OFF

MAX_WORDS = 120
# "Melden Sie mich ab": how far the words of a pair are apart at most.
MAX_PAIR_DISTANCE = 4
CHAR_NGRAM_LENGTH = 4
# What is longer than that may be a letter, with a greeting and a name.
MIN_LETTER_WORDS = 8
_BEFORE_SIGN_OFF = POLITE | {"mit"}
_STRETCHED = re.compile(r"([^\W\d_])\1{2,}")
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"[^\W_]+|\?")
_MAX_CACHED_WORDS = 20_000


def extract_features(text: str, sort: Callable[[str], str]) -> Sequence[str]:
    """Return each feature once: runs and pairs of words (or of their sorts), and pieces, which begin with `#`."""
    words = _strip_greeting(normalize_words(_split_words(text)))
    sorts = [sort(word) for word in words]
    return list(
        dict.fromkeys(chain(sorts, _build_ngrams(sorts), _build_skip_grams(sorts), *map(_build_char_ngrams, words)))
    )


def is_piece(feature: str) -> bool:
    return feature[0] == "#"


def is_special(feature: str) -> bool:
    """Return whether a feature says nothing about other texts if only one has it: three words, a pair, a piece."""
    return feature.count(" ") > 1 or is_piece(feature)


def _split_words(text: str) -> list[str]:
    """Every number is the same one. A question mark counts as a word: "Kostet das etwas?"."""
    numbered = _NUMBER.sub("9", normalize_start(text))
    return _WORD.findall(_STRETCHED.sub(r"\1", numbered))[:MAX_WORDS]


def _strip_greeting(words: list[str]) -> list[str]:
    """Without the greeting, the formula at the end and the name below it, which say nothing about the wish."""
    if len(words) < MIN_LETTER_WORDS:
        return words
    start = next((index for index, word in enumerate(words) if word not in POLITE), 0)
    end = next(
        (index for index in range(len(words) - MIN_LETTER_WORDS, len(words)) if words[index] in SIGN_OFF), len(words)
    )
    while start < end < len(words) and words[end - 1] in _BEFORE_SIGN_OFF:
        end -= 1
    return words[start:end] or words


def _build_ngrams(words: Sequence[str]) -> Iterator[str]:
    """Two and three words that follow one another."""
    yield from map(" ".join, pairwise(words))
    yield from map(" ".join, zip(words, words[1:], words[2:], strict=False))


def _build_skip_grams(words: Sequence[str]) -> Iterator[str]:
    """Words that belong together over others; as rare as runs of three, and weighed as such."""
    for distance in range(2, MAX_PAIR_DISTANCE + 1):
        yield from map(" .. ".join, zip(words, words[distance:], strict=False))


@lru_cache(maxsize=_MAX_CACHED_WORDS)
def _build_char_ngrams(word: str) -> tuple[str, ...]:
    """Four letters each, the word's ends among them; a short word is one piece."""
    bounded = f" {word} "
    return tuple(
        f"#{bounded[start : start + CHAR_NGRAM_LENGTH]}"
        for start in range(max(1, len(bounded) - CHAR_NGRAM_LENGTH + 1))
    )

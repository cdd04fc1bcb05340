"""Features of a text for the classifier: words, word sequences, and character n-grams that survive typos."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, pairwise

from services.subscriptions.domain.intents.text import normalize_start, normalize_words
from services.subscriptions.domain.intents.vocabulary import POLITE, SIGN_OFF

MAX_WORDS = 120
# "Melden Sie mich ab": the largest distance between the words of a pair.
MAX_PAIR_DISTANCE = 4
CHAR_NGRAM_LENGTH = 4
# A longer text may be a letter with a greeting and a name.
MIN_LETTER_WORDS = 8
_BEFORE_SIGN_OFF = POLITE | {"mit"}
_STRETCHED = re.compile(r"([^\W\d_])\1{2,}")
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"[^\W_]+|\?")
_MAX_CACHED_WORDS = 20_000


def extract_features(text: str, sort: Callable[[str], str]) -> Sequence[str]:
    """Return each feature once: words, n-grams and skip-grams, and character n-grams, which begin with `#`.

    `sort` maps a word to its class, or to itself.
    """
    words = _strip_greeting(normalize_words(_split_words(text)))
    sorts = [sort(word) for word in words]
    return list(
        dict.fromkeys(chain(sorts, _build_ngrams(sorts), _build_skip_grams(sorts), *map(_build_char_ngrams, words)))
    )


def is_piece(feature: str) -> bool:
    return feature[0] == "#"


def is_special(feature: str) -> bool:
    """Return whether a feature that only one example has is useless: three words, a skip-gram, a character n-gram."""
    return feature.count(" ") > 1 or is_piece(feature)


def _split_words(text: str) -> list[str]:
    """Return the words, every number as "9". A question mark counts as a word: "Kostet das etwas?"."""
    numbered = _NUMBER.sub("9", normalize_start(text))
    return _WORD.findall(_STRETCHED.sub(r"\1", numbered))[:MAX_WORDS]


def _strip_greeting(words: list[str]) -> list[str]:
    """Remove the greeting, the closing formula and the name below it, which say nothing about the intent."""
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
    """Yield sequences of two and three adjacent words."""
    yield from map(" ".join, pairwise(words))
    yield from map(" ".join, zip(words, words[1:], words[2:], strict=False))


def _build_skip_grams(words: Sequence[str]) -> Iterator[str]:
    """Yield pairs of words that belong together across others; as rare as three adjacent words, and treated as such."""
    for distance in range(2, MAX_PAIR_DISTANCE + 1):
        yield from map(" .. ".join, zip(words, words[distance:], strict=False))


@lru_cache(maxsize=_MAX_CACHED_WORDS)
def _build_char_ngrams(word: str) -> tuple[str, ...]:
    """Return the sequences of four characters, word boundaries included; a short word is one sequence."""
    bounded = f" {word} "
    return tuple(
        f"#{bounded[start : start + CHAR_NGRAM_LENGTH]}"
        for start in range(max(1, len(bounded) - CHAR_NGRAM_LENGTH + 1))
    )

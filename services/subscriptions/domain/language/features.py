"""What a text looks like to the guesser: its words, their neighbours, and pieces of them that survive slips."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import log, sqrt

from services.subscriptions.domain.language.spelling import plain_start, standard_words
from services.subscriptions.domain.language.vocabulary import POLITE, SIGN_OFF

MOST_WORDS = 120
LONGEST_RUN = 3
# "Melden Sie mich ab": how far the words of a pair are apart at most.
FARTHEST = 4
PIECE = 4
# What is longer than that may be a letter, with a greeting and a name.
LETTER = 8
_BEFORE_SIGN_OFF = POLITE | {"mit"}
_STRETCHED = re.compile(r"([^\W\d_])\1{2,}")
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"[^\W_]+|\?")


class Scale:
    """Weighs features: rare ones more than common ones; words and pieces of words alike, however long a text is."""

    def __init__(self, texts: Iterable[Mapping[str, int]]) -> None:
        found: Counter[str] = Counter()
        number = 0
        for text in texts:
            found.update(text.keys())
            number += 1
        self._rarity = {
            feature: log((1 + number) / (1 + count)) + 1
            for feature, count in found.items()
            # What is this special and occurs in one text only says nothing about others.
            if count > 1 or not (_is_piece(feature) or feature.count(" ") == LONGEST_RUN - 1)
        }

    def __len__(self) -> int:
        return len(self._rarity)

    def weigh(self, counted: Mapping[str, int]) -> dict[str, float]:
        """The weights of the features that are known."""
        words: dict[str, float] = {}
        pieces: dict[str, float] = {}
        for feature, count in counted.items():
            if rarity := self._rarity.get(feature):
                (pieces if _is_piece(feature) else words)[feature] = (1 + log(count)) * rarity
        return {**_evened(words), **_evened(pieces)}


def features_of(text: str, sort: Callable[[str], str]) -> Counter[str]:
    """How often each feature occurs: runs and pairs of words (or of their sorts), and pieces, which begin with `#`."""
    words = _body(standard_words(_words(text)))
    sorts = [sort(word) for word in words]
    return Counter([*_runs(sorts), *_pairs(sorts), *(piece for word in words for piece in _pieces(word))])


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
    for length in range(1, LONGEST_RUN + 1):
        for start in range(len(words) - length + 1):
            yield " ".join(words[start : start + length])


def _pairs(words: Sequence[str]) -> Iterator[str]:
    """Words that belong together over others; as rare as runs of three, and weighed as such."""
    for start, word in enumerate(words):
        for other in words[start + 2 : start + FARTHEST + 1]:
            yield f"{word} … {other}"


def _pieces(word: str) -> Iterator[str]:
    """Four letters each, the word's ends among them; a short word is one piece."""
    bounded = f" {word} "
    for start in range(max(1, len(bounded) - PIECE + 1)):
        yield f"#{bounded[start : start + PIECE]}"


def _is_piece(feature: str) -> bool:
    return feature.startswith("#")


def _evened(weights: Mapping[str, float]) -> dict[str, float]:
    """The same direction, of length 1."""
    length = sqrt(sum(weight * weight for weight in weights.values()))
    return {feature: weight / length for feature, weight in weights.items()}

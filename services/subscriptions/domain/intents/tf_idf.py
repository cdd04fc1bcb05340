"""TF-IDF index: the examples in which a feature occurs, and its weight there."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from math import log, sqrt
from typing import NamedTuple

from services.subscriptions.domain.intents.features import is_piece, is_special


class Occurrences(NamedTuple):
    """Numbers of the examples that have a feature, which weighs `idf` times `scale[number]` in each."""

    numbers: Sequence[int]
    idf: float
    scale: Sequence[float]


class TfIdf:
    """Weights of features: rare ones count more; words and character n-grams count alike, however long a text is.

    `weight_sums` are the sums of the weights of each example.
    """

    def __init__(self, texts: Iterable[Iterable[str]]) -> None:
        self._examples_by_feature: dict[str, array[int]] = {}
        self._size = self._index_features(texts)
        self._words, of_words = self._compute_norms(pieces=False)
        self._pieces, of_pieces = self._compute_norms(pieces=True)
        self.weight_sums = [some + others for some, others in zip(of_words, of_pieces, strict=True)]

    def __len__(self) -> int:
        """Return the number of known features."""
        return len(self._examples_by_feature)

    def weigh(self, features: Iterable[str]) -> dict[str, float]:
        """Return the weights of those features of a text that are known."""
        words: dict[str, float] = {}
        pieces: dict[str, float] = {}
        for feature in features:
            if numbers := self._examples_by_feature.get(feature):
                (pieces if is_piece(feature) else words)[feature] = self._compute_idf(numbers)
        return {**_normalize(words), **_normalize(pieces)}

    def find_occurrences(self, feature: str) -> Occurrences:
        """Return the occurrences of a known feature."""
        numbers = self._examples_by_feature[feature]
        return Occurrences(numbers, self._compute_idf(numbers), self._pieces if is_piece(feature) else self._words)

    def _index_features(self, texts: Iterable[Iterable[str]]) -> int:
        """Record the occurrences of features, and return the number of texts.

        Most features occur only once, and are dropped unless they say something about other texts.
        """
        size, once = 0, dict[str, int]()
        for text in texts:
            for feature in text:
                if feature in self._examples_by_feature:
                    self._examples_by_feature[feature].append(size)
                elif feature in once:
                    self._examples_by_feature[feature] = array("I", (once.pop(feature), size))
                else:
                    once[feature] = size
            size += 1
        self._examples_by_feature.update(
            (feature, array("I", (number,))) for feature, number in once.items() if not is_special(feature)
        )
        return size

    def _compute_idf(self, numbers: Sequence[int]) -> float:
        return log((1 + self._size) / (1 + len(numbers))) + 1

    def _compute_norms(self, *, pieces: bool) -> tuple[list[float], list[float]]:
        """Return factors that make the weights of each example a vector of length 1, and the sums of these weights."""
        squares, sums = [0.0] * self._size, [0.0] * self._size
        for feature, numbers in self._examples_by_feature.items():
            if is_piece(feature) is not pieces:
                continue
            rarity = self._compute_idf(numbers)
            square = rarity * rarity
            for number in numbers:
                squares[number] += square
                sums[number] += rarity
        scale = [1 / sqrt(square) if square else 0.0 for square in squares]
        return scale, [each * whole for each, whole in zip(scale, sums, strict=True)]


def _normalize(weights: Mapping[str, float]) -> dict[str, float]:
    """Scale a vector to length 1."""
    length = sqrt(sum(weight * weight for weight in weights.values()))
    return {feature: weight / length for feature, weight in weights.items()}

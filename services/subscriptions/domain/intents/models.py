"""Models of the classifier: a TF-IDF index of the examples, and naive Bayes and k-nearest neighbours on it."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import nlargest
from math import log, sqrt
from typing import NamedTuple

from services.subscriptions.domain.intents.intent import Intent

# Weight of an example's second reading, and the count of a feature that an intent has never had.
SECOND_READING_WEIGHT = 0.3
SMOOTHING = 0.01
MAX_NEIGHBOURS = 40
# Exponent by which nearer examples count more.
STEEPNESS = 4
# A feature of more than a tenth of all examples, and of more than 100, says too little about similarity for the time
# that it takes.
COMMON, FEW = 0.1, 100


def is_piece(feature: str) -> bool:
    return feature[0] == "#"


def is_special(feature: str) -> bool:
    """Return whether a feature that only one example has is useless: three words, a skip-gram, a character n-gram."""
    return feature.count(" ") > 1 or is_piece(feature)


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


class NaiveBayes:
    """Likelihood of a text under each intent, from how often the intent's examples have each of its features.

    Multinomial naive Bayes over weighted features; its weaknesses (frequent words, long texts) are corrected as in
    Rennie, Shih, Teevan and Karger, "Tackling the Poor Assumptions of Naive Bayes Text Classifiers", ICML 2003. The
    `readings` of each example are its intents, the best first.
    """

    def __init__(self, examples: TfIdf, readings: Sequence[Sequence[Intent]]) -> None:
        self._examples, self._readings = examples, readings
        first = Counter(intents[0] for intents in readings)
        self._log_priors = {intent: log(count / len(readings)) for intent, count in sorted(first.items())}
        counts: dict[Intent, float] = defaultdict(float)
        for intents, whole in zip(readings, examples.weight_sums, strict=True):
            for intent, share in _weigh_readings(intents):
                counts[intent] += share * whole
        spread = SMOOTHING * len(examples)
        # The base is the value of a feature that an intent has never had; features that it has add to it.
        self._log_base = {intent: log(SMOOTHING) - log(counts[intent] + spread) for intent in self._log_priors}
        self._values: dict[str, dict[Intent, float]] = {}

    def score_intents(self, weights: Mapping[str, float]) -> dict[Intent, float]:
        """Return logarithms, of which only differences matter. An intent that is no example's best reading has none."""
        whole = sum(weights.values())
        scores = {intent: usual + whole * self._log_base[intent] for intent, usual in self._log_priors.items()}
        for feature, weight in weights.items():
            for intent, value in self._get_values(feature).items():
                scores[intent] += weight * value
        return scores

    def _get_values(self, feature: str) -> dict[Intent, float]:
        """Compute values when a feature is first looked up: most never are."""
        if feature not in self._values:
            self._values[feature] = self._learn(feature)
        return self._values[feature]

    def _learn(self, feature: str) -> dict[Intent, float]:
        counts: dict[Intent, float] = defaultdict(float)
        numbers, rarity, scale = self._examples.find_occurrences(feature)
        for number in numbers:
            for intent, share in _weigh_readings(self._readings[number]):
                counts[intent] += share * rarity * scale[number]
        return {
            intent: log(count + SMOOTHING) - log(SMOOTHING)
            for intent, count in counts.items()
            if intent in self._log_priors
        }


def _weigh_readings(intents: Sequence[Intent]) -> list[tuple[Intent, float]]:
    return [(intent, SECOND_READING_WEIGHT if place else 1.0) for place, intent in enumerate(intents)]


class KNearest:
    """Scores from the examples that share features with a text; similarity is the cosine between their weights."""

    def __init__(self, examples: TfIdf, readings: Sequence[Sequence[Intent]]) -> None:
        self._examples, self._readings = examples, readings

    def score_intents(self, weights: Mapping[str, float]) -> dict[Intent, float]:
        """Return each intent's share of the nearest examples, by similarity; empty if nothing is similar."""
        nearest = nlargest(
            MAX_NEIGHBOURS, ((likeness, -number) for number, likeness in self._find_similar(weights).items())
        )
        nearness = [(likeness**STEEPNESS, -number) for likeness, number in nearest]
        whole = sum(near for near, _ in nearness)
        shares: dict[Intent, float] = {}
        for near, number in nearness:
            for place, intent in enumerate(self._readings[number]):
                shares[intent] = shares.get(intent, 0.0) + near / whole * (SECOND_READING_WEIGHT if place else 1.0)
        return shares

    def _find_similar(self, weights: Mapping[str, float]) -> dict[int, float]:
        likeness: dict[int, float] = {}
        most = max(FEW, COMMON * len(self._readings))
        for feature, weight in weights.items():
            numbers, rarity, scale = self._examples.find_occurrences(feature)
            if len(numbers) > most:
                continue
            value = weight * rarity
            for number in numbers:
                likeness[number] = likeness.get(number, 0.0) + value * scale[number]
        return likeness

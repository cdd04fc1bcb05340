"""K-nearest neighbours: intents of the examples most similar to a text."""

from collections.abc import Mapping, Sequence
from heapq import nlargest

from services.subscriptions.domain.intents.intent import Intent
from services.subscriptions.domain.intents.naive_bayes import SECOND_READING_WEIGHT
from services.subscriptions.domain.intents.tf_idf import TfIdf

MAX_NEIGHBOURS = 40
# Exponent by which nearer examples count more.
STEEPNESS = 4
# A feature of more than a tenth of all examples, and of more than 100, says too little about similarity for the time
# that it takes.
COMMON, FEW = 0.1, 100


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

"""How likely each intent makes a text, by how often it has had each of its features.

Multinomial naive Bayes over weighted features; its weaknesses (frequent words, long texts) are mended as in Rennie,
Shih, Teevan and Karger, "Tackling the Poor Assumptions of Naive Bayes Text Classifiers", ICML 2003.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from math import log

from services.subscriptions.domain.intents.intent import Intent
from services.subscriptions.domain.intents.tf_idf import TfIdf

# How much a second reading of an example counts, and what a feature counts that an intent has never had.
SECOND_READING_WEIGHT = 0.3
SMOOTHING = 0.01


class NaiveBayes:
    """Judges by examples, of which `readings` are the intents, the best first."""

    def __init__(self, examples: TfIdf, readings: Sequence[Sequence[Intent]]) -> None:
        self._examples, self._readings = examples, readings
        first = Counter(intents[0] for intents in readings)
        self._log_priors = {intent: log(count / len(readings)) for intent, count in sorted(first.items())}
        counts: dict[Intent, float] = defaultdict(float)
        for intents, whole in zip(readings, examples.weight_sums, strict=True):
            for intent, share in _weigh_readings(intents):
                counts[intent] += share * whole
        spread = SMOOTHING * len(examples)
        # What an intent has never had is in its base, what it had is more than that.
        self._log_base = {intent: log(SMOOTHING) - log(counts[intent] + spread) for intent in self._log_priors}
        self._values: dict[str, dict[Intent, float]] = {}

    def score_intents(self, weights: Mapping[str, float]) -> dict[Intent, float]:
        """Logarithms; only their differences mean something. An intent that is nobody's best reading has none."""
        whole = sum(weights.values())
        scores = {intent: usual + whole * self._log_base[intent] for intent, usual in self._log_priors.items()}
        for feature, weight in weights.items():
            for intent, value in self._get_values(feature).items():
                scores[intent] += weight * value
        return scores

    def _get_values(self, feature: str) -> dict[Intent, float]:
        """Worked out when a feature is first met: most never are."""
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

"""Likelihood of a text under each intent, from how often the intent's examples have each of its features.

Multinomial naive Bayes over weighted features; its weaknesses (frequent words, long texts) are corrected as in Rennie,
Shih, Teevan and Karger, "Tackling the Poor Assumptions of Naive Bayes Text Classifiers", ICML 2003.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from math import log

from services.subscriptions.domain.intents.intent import Intent
from services.subscriptions.domain.intents.tf_idf import TfIdf

# Weight of an example's second reading, and the count of a feature that an intent has never had.
SECOND_READING_WEIGHT = 0.3
SMOOTHING = 0.01


class NaiveBayes:
    """Naive Bayes model of examples, of which `readings` are the intents, the best first."""

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

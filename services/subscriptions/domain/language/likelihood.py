"""How likely each intent makes a text, by how often it has had each of its features.

Multinomial naive Bayes over weighted features; its weaknesses (frequent words, long texts) are mended as in Rennie,
Shih, Teevan and Karger, "Tackling the Poor Assumptions of Naive Bayes Text Classifiers", ICML 2003.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from math import log

from services.subscriptions.domain.language.concordance import Concordance
from services.subscriptions.domain.language.intents import Intent

# How much a second reading of an example counts, and what a feature counts that an intent has never had.
SECOND_READING = 0.3
UNSEEN = 0.01


class Likelihood:
    """Judges by examples, of which `readings` are the intents, the best first."""

    def __init__(self, examples: Concordance, readings: Sequence[Sequence[Intent]]) -> None:
        self._examples, self._readings = examples, readings
        first = Counter(intents[0] for intents in readings)
        self._usual = {intent: log(count / len(readings)) for intent, count in sorted(first.items())}
        counts: dict[Intent, float] = defaultdict(float)
        for intents, whole in zip(readings, examples.wholes, strict=True):
            for intent, share in _shares(intents):
                counts[intent] += share * whole
        spread = UNSEEN * len(examples)
        # What an intent has never had is in its base, what it had is more than that.
        self._base = {intent: log(UNSEEN) - log(counts[intent] + spread) for intent in self._usual}
        self._values: dict[str, dict[Intent, float]] = {}

    def scores(self, weights: Mapping[str, float]) -> dict[Intent, float]:
        """Logarithms; only their differences mean something. An intent that is nobody's best reading has none."""
        whole = sum(weights.values())
        scores = {intent: usual + whole * self._base[intent] for intent, usual in self._usual.items()}
        for feature, weight in weights.items():
            for intent, value in self._values_of(feature).items():
                scores[intent] += weight * value
        return scores

    def _values_of(self, feature: str) -> dict[Intent, float]:
        """Worked out when a feature is first met: most never are."""
        if feature not in self._values:
            self._values[feature] = self._learn(feature)
        return self._values[feature]

    def _learn(self, feature: str) -> dict[Intent, float]:
        counts: dict[Intent, float] = defaultdict(float)
        numbers, rarity, scale = self._examples.find(feature)
        for number in numbers:
            for intent, share in _shares(self._readings[number]):
                counts[intent] += share * rarity * scale[number]
        return {intent: log(count + UNSEEN) - log(UNSEEN) for intent, count in counts.items() if intent in self._usual}


def _shares(intents: Sequence[Intent]) -> list[tuple[Intent, float]]:
    return [(intent, SECOND_READING if place else 1.0) for place, intent in enumerate(intents)]

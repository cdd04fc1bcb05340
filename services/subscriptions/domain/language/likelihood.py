"""How likely each intent makes a text, by how often it has had each of its features.

Multinomial naive Bayes over weighted features; its weaknesses (frequent words, long texts) are mended as in Rennie,
Shih, Teevan and Karger, "Tackling the Poor Assumptions of Naive Bayes Text Classifiers", ICML 2003.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from math import log

from services.subscriptions.domain.language.intents import Intent

# How much a second reading of an example counts, and what a feature counts that an intent has never had.
SECOND_READING = 0.3
UNSEEN = 0.01


class Likelihood:
    """Learns how many `features` there are at first, then the readings of examples, and is finished after the last."""

    def __init__(self, features: int) -> None:
        self._spread = UNSEEN * features
        self._first: Counter[Intent] = Counter()
        self._base: dict[Intent, float] = {}
        self._values: dict[str, dict[Intent, float]] = defaultdict(dict)

    def learn(self, intents: Sequence[Intent], weights: Mapping[str, float]) -> None:
        """One example: its readings, the best first, and the weights of its features."""
        self._first[intents[0]] += 1
        for place, intent in enumerate(intents):
            self._count(intent, SECOND_READING if place else 1.0, weights)

    def finish(self) -> None:
        """Counts become logarithms: what an intent has never had is in its base, what it had is more than that."""
        unseen, whole = log(UNSEEN), self._first.total()
        self._usual = {intent: log(count / whole) for intent, count in sorted(self._first.items())}
        self._base = {intent: unseen - log(self._base[intent] + self._spread) for intent in self._usual}
        for counts in self._values.values():
            for intent, count in counts.items():
                counts[intent] = log(count + UNSEEN) - unseen

    def scores(self, weights: Mapping[str, float]) -> dict[Intent, float]:
        """Logarithms; only their differences mean something. An intent that is nobody's best reading has none."""
        whole = sum(weights.values())
        scores = {intent: usual + whole * self._base[intent] for intent, usual in self._usual.items()}
        for feature, weight in weights.items():
            for intent, value in self._values[feature].items():
                if intent in scores:
                    scores[intent] += weight * value
        return scores

    def _count(self, intent: Intent, share: float, weights: Mapping[str, float]) -> None:
        self._base[intent] = self._base.get(intent, 0.0) + share * sum(weights.values())
        for feature, weight in weights.items():
            counts = self._values[feature]
            counts[intent] = counts.get(intent, 0.0) + share * weight

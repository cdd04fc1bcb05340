"""How likely each intent makes a text, by how often it has had each of its features.

Multinomial naive Bayes over weighted features; its weaknesses (frequent words, long texts) are mended as in Rennie,
Shih, Teevan and Karger, "Tackling the Poor Assumptions of Naive Bayes Text Classifiers", ICML 2003.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import log

from services.subscriptions.domain.language.intents import Intent

# How much a second reading of an example counts, and what a feature counts that an intent has never had.
SECOND_READING = 0.3
UNSEEN = 0.01


class Likelihood:
    """Learns from the readings of examples, the best first, and the weights of their features."""

    def __init__(self, known: Sequence[tuple[Sequence[Intent], Mapping[str, float]]], features: int) -> None:
        first = Counter(intents[0] for intents, _ in known)
        self._usual = {intent: log(count / len(known)) for intent, count in sorted(first.items())}
        self._base = dict.fromkeys(self._usual, 0.0)
        self._values: dict[str, dict[Intent, float]] = {}
        for intents, weights in known:
            for place, intent in enumerate(intents):
                self._count(intent, SECOND_READING if place else 1.0, weights)
        self._finish(features)

    def scores(self, weights: Mapping[str, float]) -> dict[Intent, float]:
        """Logarithms; only their differences mean something."""
        whole = sum(weights.values())
        scores = {intent: usual + whole * self._base[intent] for intent, usual in self._usual.items()}
        for feature, weight in weights.items():
            for intent, value in self._values[feature].items():
                scores[intent] += weight * value
        return scores

    def _count(self, intent: Intent, share: float, weights: Mapping[str, float]) -> None:
        """An intent that is nobody's best reading is none."""
        if intent not in self._base:
            return
        self._base[intent] += share * sum(weights.values())
        for feature, weight in weights.items():
            counts = self._values.setdefault(feature, {})
            counts[intent] = counts.get(intent, 0.0) + share * weight

    def _finish(self, features: int) -> None:
        """Counts become logarithms: what an intent has never had is in its base, what it had is more than that."""
        unseen = log(UNSEEN)
        self._base = {intent: unseen - log(total + UNSEEN * features) for intent, total in self._base.items()}
        for counts in self._values.values():
            for intent, count in counts.items():
                counts[intent] = log(count + UNSEEN) - unseen

"""The examples that a text is most alike to."""

from array import array
from collections import defaultdict
from collections.abc import Mapping, Sequence
from heapq import nlargest

from services.subscriptions.domain.language.intents import Intent
from services.subscriptions.domain.language.likelihood import SECOND_READING

NEAREST = 25
# How much more a nearer one counts.
STEEPNESS = 4
# What more examples than this have tells too little about alikeness for the time that it takes: a tenth of all.
COMMON, FEW = 0.1, 100


class Neighbours:
    """Finds examples by the features that they share with a text; alike is the cosine between their weights."""

    def __init__(self) -> None:
        self._intents: list[tuple[Intent, ...]] = []
        self._having: dict[str, tuple[array[int], array[float]]] = defaultdict(lambda: (array("I"), array("f")))

    def learn(self, intents: Sequence[Intent], weights: Mapping[str, float]) -> None:
        """One example: its readings, the best first, and the weights of its features."""
        for feature, weight in weights.items():
            numbers, values = self._having[feature]
            numbers.append(len(self._intents))
            values.append(weight)
        self._intents.append(tuple(intents))

    def shares(self, weights: Mapping[str, float]) -> dict[Intent, float]:
        """How much of what is near has each reading; empty if nothing is alike at all."""
        nearest = nlargest(NEAREST, self._alike(weights).items(), key=lambda found: (found[1], -found[0]))
        nearness = {number: likeness**STEEPNESS for number, likeness in nearest}
        whole = sum(nearness.values())
        shares: dict[Intent, float] = {}
        for number, near in nearness.items():
            for place, intent in enumerate(self._intents[number]):
                shares[intent] = shares.get(intent, 0.0) + near / whole * (SECOND_READING if place else 1.0)
        return shares

    def _alike(self, weights: Mapping[str, float]) -> dict[int, float]:
        likeness: dict[int, float] = {}
        most = max(FEW, COMMON * len(self._intents))
        for feature, weight in weights.items():
            numbers, values = self._having[feature]
            if len(numbers) > most:
                continue
            for number, value in zip(numbers, values, strict=True):
                likeness[number] = likeness.get(number, 0.0) + weight * value
        return likeness

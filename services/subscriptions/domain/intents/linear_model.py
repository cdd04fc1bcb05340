"""Linear model of intents: weights of features, trained on the examples by `python -m tools.intents`.

The weights are whole numbers, so that the file stays small and a change of it can be read.
"""

from collections.abc import Iterable
from functools import cache
from importlib import resources
from math import exp, sqrt

import msgspec
from msgspec import Struct

from services.subscriptions.domain.intents.intent import Intent

MODEL_FILE = "model.json"
# Units of the weights, and how strongly a difference of two scores separates their probabilities.
SCALE = 32
SHARPNESS = 7


class Feature(Struct, frozen=True, array_like=True):
    """How rare a feature is (its inverse document frequency), and its weight for each intent of the model."""

    rarity: float
    weights: tuple[int, ...]


class LinearModel(Struct, frozen=True, kw_only=True):
    """Weights of features for each intent; `digest` names the examples and features that it was trained on."""

    digest: str
    intents: tuple[Intent, ...]
    biases: tuple[int, ...]
    features: dict[str, Feature]

    def calculate_probabilities(self, features: Iterable[str]) -> dict[Intent, float]:
        """Return the probability of each intent; a text without known features gets what most examples have."""
        known = [found for feature in features if (found := self.features.get(feature))]
        sums = [0.0] * len(self.intents)
        for rarity, weights in ((feature.rarity, feature.weights) for feature in known):
            sums = [total + rarity * weight for total, weight in zip(sums, weights, strict=True)]
        length = sqrt(sum(feature.rarity**2 for feature in known)) or 1.0
        scores = [total / length + bias for total, bias in zip(sums, self.biases, strict=True)]
        highest = max(scores)
        shares = [exp((score - highest) * SHARPNESS / SCALE) for score in scores]
        return {intent: share / sum(shares) for intent, share in zip(self.intents, shares, strict=True)}


@cache
def read_model() -> LinearModel:
    """Return the model of our examples."""
    return msgspec.json.decode(resources.files(__package__).joinpath(MODEL_FILE).read_bytes(), type=LinearModel)

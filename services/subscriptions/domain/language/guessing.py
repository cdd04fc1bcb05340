"""What a text most probably means, judged by examples: two opinions of different kinds, weighed against each other.

There is nothing trained that could differ from the examples: whoever adds one has taught it. Learning all of them takes
a second or two, once in a process.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from math import exp

from services.subscriptions.domain.county import County
from services.subscriptions.domain.language.concordance import Concordance
from services.subscriptions.domain.language.example import Example, read_examples
from services.subscriptions.domain.language.features import features_of
from services.subscriptions.domain.language.intents import Intent
from services.subscriptions.domain.language.likelihood import Likelihood
from services.subscriptions.domain.language.neighbours import Neighbours
from services.subscriptions.domain.language.sorts import sorting

# The first opinion is too sure of itself, and the second knows nothing of what has no neighbour.
TRUST_IN_LIKELIHOOD = 0.4
LEAST_SHARE = 0.02


class Guess:
    """How probable each intent is; their sum is 1."""

    def __init__(self, chances: Mapping[Intent, float]) -> None:
        self._chances = chances
        self.intent = max(chances, key=lambda intent: (chances[intent], intent))

    @property
    def chance(self) -> float:
        """That it is `intent`."""
        return self._chances[self.intent]

    def chance_of(self, *intents: Intent) -> float:
        return sum(self._chances.get(intent, 0.0) for intent in intents)


class Guesser:
    """Knows what texts to a county mean from examples. Raises ValueError if there are none."""

    def __init__(self, examples: Sequence[Example], county: County) -> None:
        if not examples:
            raise ValueError("a guesser needs examples")
        self._sort = sorting(county)
        self._concordance = Concordance(features_of(example.text, self._sort) for example in examples)
        readings = [example.intents for example in examples]
        self._likelihood = Likelihood(self._concordance, readings)
        self._neighbours = Neighbours(self._concordance, readings)

    def guess(self, text: str) -> Guess:
        """What it means; a text with nothing in it that is known means what most examples do."""
        weights = self._concordance.weigh(features_of(text, self._sort))
        scores = self._likelihood.scores(weights)
        shares = self._neighbours.shares(weights)
        highest = max(scores.values())
        return Guess(
            _normal(
                {
                    intent: exp(TRUST_IN_LIKELIHOOD * (score - highest)) * (shares.get(intent, 0.0) + LEAST_SHARE)
                    for intent, score in scores.items()
                }
            )
        )


@cache
def guesser(county: County) -> Guesser:
    """The one that has learnt our examples."""
    return Guesser(read_examples(), county)


def _normal(shares: Mapping[Intent, float]) -> dict[Intent, float]:
    whole = sum(shares.values())
    return {intent: share / whole for intent, share in shares.items()}

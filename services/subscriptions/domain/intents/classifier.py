"""Intent classifier trained on examples: naive Bayes and k-nearest neighbours, weighted against each other.

There is no stored model that could differ from the examples: adding an example trains the classifier. Training takes a
second or two, once per process.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from math import exp

from services.subscriptions.domain.county import County
from services.subscriptions.domain.intents.features import extract_features
from services.subscriptions.domain.intents.intent import Intent
from services.subscriptions.domain.intents.k_nearest import KNearest
from services.subscriptions.domain.intents.naive_bayes import NaiveBayes
from services.subscriptions.domain.intents.tf_idf import TfIdf
from services.subscriptions.domain.intents.token_classes import build_token_classifier
from services.subscriptions.domain.intents.training_examples import Example, read_examples

# Naive Bayes is overconfident; k-nearest neighbours know nothing about a text without neighbours.
NAIVE_BAYES_WEIGHT = 0.4
MIN_SHARE = 0.02


class Prediction:
    """Probability of each intent; the probabilities sum to 1."""

    def __init__(self, chances: Mapping[Intent, float]) -> None:
        self._probabilities = chances
        self.intent = max(chances, key=lambda intent: (chances[intent], intent))

    @property
    def probability(self) -> float:
        """Return the probability of `intent`."""
        return self._probabilities[self.intent]

    def sum_probability(self, *intents: Intent) -> float:
        return sum(self._probabilities.get(intent, 0.0) for intent in intents)


class IntentClassifier:
    """Classifier of texts to one county, trained on examples. Raises ValueError if there are none."""

    def __init__(self, examples: Sequence[Example], county: County) -> None:
        if not examples:
            raise ValueError("a classifier needs examples")
        self._classify_token = build_token_classifier(county)
        self._tf_idf = TfIdf(extract_features(example.text, self._classify_token) for example in examples)
        readings = [example.intents for example in examples]
        self._naive_bayes = NaiveBayes(self._tf_idf, readings)
        self._k_nearest = KNearest(self._tf_idf, readings)

    def predict(self, text: str) -> Prediction:
        """Return the prediction for a text; a text without known features gets the intent that most examples have."""
        weights = self._tf_idf.weigh(extract_features(text, self._classify_token))
        scores = self._naive_bayes.score_intents(weights)
        shares = self._k_nearest.score_intents(weights)
        highest = max(scores.values())
        return Prediction(
            _normalize(
                {
                    intent: exp(NAIVE_BAYES_WEIGHT * (score - highest)) * (shares.get(intent, 0.0) + MIN_SHARE)
                    for intent, score in scores.items()
                }
            )
        )


@cache
def load_classifier(county: County) -> IntentClassifier:
    """Return the classifier trained on our examples."""
    return IntentClassifier(read_examples(), county)


def _normalize(shares: Mapping[Intent, float]) -> dict[Intent, float]:
    whole = sum(shares.values())
    return {intent: share / whole for intent, share in shares.items()}

"""Training of the intent classifier: `python -m tools.intents` writes the model from the examples.

Support vector machines, one for each intent, over TF-IDF weights; the model keeps only the most important features.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deploy.paths import CONFIG
from services.subscriptions.domain.county import County
from services.subscriptions.domain.intents import classifier
from services.subscriptions.domain.intents.classifier import (
    SCALE,
    Example,
    Feature,
    LinearModel,
    build_token_classifier,
    extract_features,
    read_examples,
)
from services.subscriptions.domain.intents.intent import Intent
from services.subscriptions.domain.intents.text import normalize_excerpt
from shared.notices.configuration import read_configuration

FILE = Path(classifier.__file__).with_name(classifier.MODEL_FILE)
MAX_FEATURES = 20_000
# A feature of a single example would only be memorised.
MIN_EXAMPLES = 2
# Cost of an example on the wrong side; chosen by cross-validation (`python -m benchmarks.dialogue`).
COST = 0.5


def main() -> None:
    county, examples = read_configuration(CONFIG / "county.toml", County), read_examples()
    print(f"training on {len(examples):,} examples, half a minute")
    FILE.write_text(render(train(examples, county)), encoding="utf-8")
    print(f"{FILE} is written")


def train(examples: Sequence[Example], county: County) -> LinearModel:
    """Return a model of the examples, with the intents and features that occur in them."""
    import numpy  # only who trains waits for these imports, which take a second
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = list_features(examples, county)
    intents = [example.intents[0] for example in examples]
    full_vectorizer = TfidfVectorizer(analyzer=list, lowercase=False, min_df=MIN_EXAMPLES)
    importance = numpy.abs(_fit(full_vectorizer.fit_transform(texts), intents).coef_).max(axis=0)
    vocabulary = full_vectorizer.get_feature_names_out()[numpy.argsort(-importance, kind="stable")[:MAX_FEATURES]]
    vectorizer = TfidfVectorizer(analyzer=list, lowercase=False, vocabulary=sorted(vocabulary))
    machine = _fit(vectorizer.fit_transform(texts), intents)
    names, rarities = vectorizer.get_feature_names_out(), vectorizer.idf_.tolist()
    rows = numpy.rint(machine.coef_.T * SCALE).astype(int).tolist()
    return LinearModel(
        digest=build_digest(examples, texts),
        intents=tuple(map(Intent, machine.classes_)),
        biases=tuple(numpy.rint(machine.intercept_ * SCALE).astype(int).tolist()),
        features={
            name: Feature(round(rarity, 2), tuple(row)) for name, rarity, row in zip(names, rarities, rows, strict=True)
        },
    )


def list_features(examples: Sequence[Example], county: County) -> list[Sequence[str]]:
    classify_token = build_token_classifier(county)
    return [extract_features(normalize_excerpt(example.text), classify_token) for example in examples]


def build_digest(examples: Sequence[Example], texts: Sequence[Sequence[str]]) -> str:
    """Return a digest of all inputs of the training: examples, features and parameters."""
    rows = [[*example.intents, *features] for example, features in zip(examples, texts, strict=True)]
    inputs = [MAX_FEATURES, MIN_EXAMPLES, COST, SCALE, rows]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()


def render(model: LinearModel) -> str:
    """Return the model as JSON with one feature a line."""
    head = json.dumps({"digest": model.digest, "intents": model.intents, "biases": model.biases})
    lines = (
        f"{json.dumps(name, ensure_ascii=False)}:{json.dumps((feature.rarity, feature.weights), separators=(',', ':'))}"
        for name, feature in model.features.items()
    )
    return head[:-1] + ', "features": {\n' + ",\n".join(lines) + "\n}}\n"


def _fit(texts: object, intents: Sequence[Intent]) -> Any:
    from sklearn.svm import LinearSVC

    return LinearSVC(C=COST, random_state=0).fit(texts, [str(intent) for intent in intents])


if __name__ == "__main__":
    main()

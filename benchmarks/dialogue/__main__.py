"""Accuracy of intent detection on unseen texts: with rules alone, with examples alone, and with both, as in production.

Cross-validation: each tenth of the examples is tested with a classifier trained on the other nine. The lists in
`tests/data/dialogue/unseen` were never used as examples.
"""

import argparse
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from benchmarks.dialogue.scoring import Scores, add_scores, score
from deploy.paths import ROOT
from services.subscriptions.domain.county import County
from services.subscriptions.domain.intents.classifier import (
    Example,
    IntentClassifier,
    load_classifier,
    parse_examples,
    read_examples,
)
from services.subscriptions.domain.intents.detection import detect_text_intent
from services.subscriptions.domain.intents.intent import Intent
from services.subscriptions.domain.intents.rules import Findings, apply_rules
from services.subscriptions.domain.intents.text import CitizenText
from shared.notices.configuration import read_configuration
from tools.intents import train

COUNTY = ROOT / "deploy" / "config" / "county.toml"
UNSEEN = ROOT / "tests" / "data" / "dialogue" / "unseen"
PARTS = 10
CLASSIFIERS = ("rules alone", "examples alone", "both")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dialogue", description=__doc__)
    parser.add_argument("--show", action="store_true", help="print each unseen text whose intent is not detected")
    show = parser.parse_args().show
    county = read_configuration(COUNTY, County)
    print(f"{'':34}{'texts':>7}{'right':>9}{'false opt-ins':>15}{'missed stops':>14}{'false erasures':>16}")
    with ProcessPoolExecutor() as pool:
        scores = list(pool.map(partial(_score_part, read_examples(), county), range(PARTS)))
    for name, parts in zip(CLASSIFIERS, zip(*scores, strict=True), strict=True):
        _print(f"examples by the others, {name}", add_scores(parts))
    classifier = _load(county)
    for file in sorted(UNSEEN.glob("*.txt")):
        unseen = list(parse_examples(file.read_text(encoding="utf-8")))
        for name, detect in _build_classifiers(county, classifier).items():
            _print(f"{file.stem}, {name}", score(unseen, detect))
        if show:
            _show(unseen, _build_classifiers(county, classifier)["both"])
    _measure_cost(county, classifier)


def _score_part(examples: Sequence[Example], county: County, part: int) -> list[Scores]:
    training = [example for number, example in enumerate(examples) if number % PARTS != part]
    classifiers = _build_classifiers(county, IntentClassifier(train(training, county), county))
    return [score(examples[part::PARTS], detect) for detect in classifiers.values()]


def _build_classifiers(county: County, classifier: IntentClassifier) -> dict[str, Callable[[str], Intent]]:
    functions = (
        lambda text: apply_rules(Findings(CitizenText(text)), county).intent,
        lambda text: classifier.predict(CitizenText(text)).intent,
        lambda text: detect_text_intent(CitizenText(text), county, classifier).intent,
    )
    return dict(zip(CLASSIFIERS, functions, strict=True))


def _load(county: County) -> IntentClassifier:
    before, start = _read_memory(), time.process_time()
    classifier = load_classifier(county)
    seconds = time.process_time() - start
    print(f"loading the model: {seconds:.2f} s of processor, {_read_memory() - before:.0f} MiB")
    return classifier


def _measure_cost(county: County, classifier: IntentClassifier) -> None:
    texts = [example.text for example in read_examples()[::10]]
    for name, detect in _build_classifiers(county, classifier).items():
        start = time.process_time()
        for text in texts:
            detect(text)
        print(f"one text, {name}: {(time.process_time() - start) / len(texts) * 1_000:.2f} ms of processor")


def _read_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _print(title: str, scores: Scores) -> None:
    share = scores.right / scores.texts
    print(
        f"{title:34}{scores.texts:7,}{share:9.1%}{scores.false_opt_ins:15}{scores.missed_stops:14}{scores.false_erasures:16}"
    )


def _show(unseen: Sequence[Example], detect: Callable[[str], Intent]) -> None:
    for example in unseen:
        if not score([example], detect).right:
            print(f"  {example.text}: {' or '.join(example.intents)}, taken for {detect(example.text)}")


if __name__ == "__main__":
    main()

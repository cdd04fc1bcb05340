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
    parser.add_argument("--show", action="store_true", help="print each unseen text that is not understood")
    show = parser.parse_args().show
    county = read_configuration(COUNTY, County)
    print(f"{'':34}{'texts':>7}{'right':>9}{'false opt-ins':>15}{'missed stops':>14}{'false erasures':>16}")
    with ProcessPoolExecutor() as pool:
        scores = list(pool.map(partial(_score_part, read_examples(), county), range(PARTS)))
    for way, verdicts in zip(CLASSIFIERS, zip(*scores, strict=True), strict=True):
        _print(f"examples by the others, {way}", add_scores(verdicts))
    guesser = _load(county)
    for file in sorted(UNSEEN.glob("*.txt")):
        unseen = list(parse_examples(file.read_text(encoding="utf-8")))
        for way, intent_of in _build_classifiers(county, guesser).items():
            _print(f"{file.stem}, {way}", score(unseen, intent_of))
        if show:
            _show(unseen, _build_classifiers(county, guesser)["both"])
    _measure_cost(county, guesser)


def _score_part(examples: Sequence[Example], county: County, part: int) -> list[Scores]:
    taught = [example for number, example in enumerate(examples) if number % PARTS != part]
    ways = _build_classifiers(county, IntentClassifier(train(taught, county), county))
    return [score(examples[part::PARTS], intent_of) for intent_of in ways.values()]


def _build_classifiers(county: County, guesser: IntentClassifier) -> dict[str, Callable[[str], Intent]]:
    readings = (
        lambda text: apply_rules(Findings(CitizenText(text)), county).intent,
        lambda text: guesser.predict(CitizenText(text)).intent,
        lambda text: detect_text_intent(CitizenText(text), county, guesser).intent,
    )
    return dict(zip(CLASSIFIERS, readings, strict=True))


def _load(county: County) -> IntentClassifier:
    before, start = _read_memory(), time.process_time()
    guesser = load_classifier(county)
    seconds = time.process_time() - start
    print(f"loading the model: {seconds:.2f} s of processor, {_read_memory() - before:.0f} MiB")
    return guesser


def _measure_cost(county: County, guesser: IntentClassifier) -> None:
    texts = [example.text for example in read_examples()[::10]]
    for way, intent_of in _build_classifiers(county, guesser).items():
        start = time.process_time()
        for text in texts:
            intent_of(text)
        print(f"one text, {way}: {(time.process_time() - start) / len(texts) * 1_000:.2f} ms of processor")


def _read_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _print(what: str, verdicts: Scores) -> None:
    share = verdicts.right / verdicts.texts
    print(
        f"{what:34}{verdicts.texts:7,}{share:9.1%}{verdicts.false_opt_ins:15}{verdicts.missed_stops:14}{verdicts.false_erasures:16}"
    )


def _show(unseen: Sequence[Example], intent_of: Callable[[str], Intent]) -> None:
    for example in unseen:
        if not score([example], intent_of).right:
            print(f"  {example.text}: {' or '.join(example.intents)}, taken for {intent_of(example.text)}")


if __name__ == "__main__":
    main()

"""Scoring of detected intents against the intended ones."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from services.subscriptions.domain.intents.classifier import Example
from services.subscriptions.domain.intents.intent import Intent

STOP_INTENTS = frozenset((Intent.STOP, Intent.ERASE, Intent.ASK_STOP, Intent.ASK_ERASE))
_CONFIRMATIONS = {Intent.START: Intent.ASK_START, Intent.ERASE: Intent.ASK_ERASE}


class Scores(NamedTuple):
    """Counts of texts: all, right ones, and those that would subscribe, keep or erase somebody against their will."""

    texts: int
    right: int
    false_opt_ins: int
    missed_stops: int
    false_erasures: int


def add_scores(scores: Iterable[Scores]) -> Scores:
    return Scores(*map(sum, zip(*scores, strict=True)))


def score(examples: Iterable[Example], detect: Callable[[str], Intent]) -> Scores:
    """Score each text against its acceptable intents; asking to confirm a start or an erasure is also right."""
    return add_scores(_score_text(set(example.intents), detect(example.text)) for example in examples)


def _score_text(intended: set[Intent], detected: Intent) -> Scores:
    accepted = intended | {_CONFIRMATIONS[intent] for intent in intended if intent in _CONFIRMATIONS}
    # Choosing municipalities works like choosing topics.
    accepted |= {Intent.ONLY} if Intent.PLACES in intended else set()
    right = detected in accepted
    return Scores(
        texts=1,
        right=right,
        false_opt_ins=detected is Intent.START and Intent.START not in intended,
        missed_stops=Intent.STOP in intended and not right and detected not in STOP_INTENTS,
        false_erasures=detected is Intent.ERASE and Intent.ERASE not in intended,
    )

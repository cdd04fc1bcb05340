"""Scoring of detected intents against the intended ones."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from services.subscriptions.domain.intents.classifier import Example
from services.subscriptions.domain.intents.intent import Intent

STOP_INTENTS = frozenset((Intent.STOP, Intent.ERASE, Intent.ASK_STOP, Intent.ASK_ERASE))
_CONFIRMATIONS = {Intent.START: Intent.ASK_START, Intent.ERASE: Intent.ASK_ERASE}


@dataclass(frozen=True)
class Scores:
    """Counts of texts: all, right ones, and those that subscribed, kept or erased somebody against their will."""

    texts: int = 0
    right: int = 0
    false_opt_ins: int = 0
    missed_stops: int = 0
    false_erasures: int = 0

    def __add__(self, other: "Scores") -> "Scores":
        return Scores(
            self.texts + other.texts,
            self.right + other.right,
            self.false_opt_ins + other.false_opt_ins,
            self.missed_stops + other.missed_stops,
            self.false_erasures + other.false_erasures,
        )


def score(examples: Iterable[Example], intent_of: Callable[[str], Intent]) -> Scores:
    """Score each text against its acceptable intents; asking to confirm a start or an erasure is also right."""
    return sum((_score_text(set(example.intents), intent_of(example.text)) for example in examples), Scores())


def _score_text(meant: set[Intent], taken: Intent) -> Scores:
    accepted = meant | {_CONFIRMATIONS[intent] for intent in meant if intent in _CONFIRMATIONS}
    # Choosing municipalities works like choosing topics.
    accepted |= {Intent.ONLY} if Intent.PLACES in meant else set()
    right = taken in accepted
    return Scores(
        texts=1,
        right=right,
        false_opt_ins=taken is Intent.START and Intent.START not in meant,
        missed_stops=Intent.STOP in meant and not right and taken not in STOP_INTENTS,
        false_erasures=taken is Intent.ERASE and Intent.ERASE not in meant,
    )

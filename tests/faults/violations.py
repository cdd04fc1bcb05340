"""Violations that the evaluation of a run may find."""

from collections.abc import Iterator
from dataclasses import dataclass

RATE, LOST, DUPLICATES, AFTER_STOP, LATE, UNACCOUNTED, LEAKS, MISDIRECTED, DISOBEYED, UNUSED, NOT_BACK, UNFIT = (
    "rate",
    "lost",
    "duplicates",
    "after_stop",
    "late",
    "unaccounted",
    "leaks",
    "misdirected",
    "disobeyed",
    "rate_unused",
    "not_back",
    "unfit_ready",
)


@dataclass(frozen=True)
class Violation:
    """One violated invariant; `delivery` locates it. Contains no address."""

    figure: str
    what: str
    delivery: str | None = None
    count: int = 1


def report_count(figure: str, what: str, count: int) -> Iterator[Violation]:
    if count > 0:
        yield Violation(figure, what, count=count)

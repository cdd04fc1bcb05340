"""Violations that the evaluation of a run may find."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Figure(StrEnum):
    """Promise that a run may break, as the report calls it."""

    RATE = "rate"
    LOST = "lost"
    DUPLICATES = "duplicates"
    AFTER_STOP = "after_stop"
    LATE = "late"
    UNACCOUNTED = "unaccounted"
    MISDIRECTED = "misdirected"
    DISOBEYED = "disobeyed"
    LEAKS = "leaks"
    UNUSED = "rate_unused"
    NOT_BACK = "not_back"
    UNFIT = "unfit_ready"


@dataclass(frozen=True)
class Violation:
    """One violated invariant; `delivery` locates it. Contains no address."""

    figure: Figure
    what: str
    delivery: str | None = None
    count: int = 1


def report_count(figure: Figure, what: str, count: int, delivery: str | None = None) -> Iterator[Violation]:
    if count > 0:
        yield Violation(figure, what, delivery, count)

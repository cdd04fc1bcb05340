"""What a comparison may find."""

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
class Finding:
    """One thing that is not as it has to be, without an address; `delivery` tells where to look."""

    figure: str
    what: str
    delivery: str | None = None
    count: int = 1


def counted(figure: str, what: str, count: int) -> Iterator[Finding]:
    if count > 0:
        yield Finding(figure, what, count=count)

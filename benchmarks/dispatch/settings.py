"""Options from the command line."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Options of a run: `seconds` is a measurement's length, `quick` makes all smaller, `peers` includes the peers."""

    rounds: int
    seconds: float
    quick: bool
    peers: bool

"""What the command line says."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """`seconds` is the length of one measurement, `quick` asks for everything smaller, `peers` for what others use."""

    rounds: int
    seconds: float
    quick: bool
    peers: bool

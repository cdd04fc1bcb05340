"""The rule of `dispatcher.shift` in Python, for comparison and properties."""

from collections.abc import Iterable

from services.dispatcher.domain.pacing import SLOT_TOLERANCE_SECONDS, LateUse


def shift_after(uses: Iterable[LateUse], begins: float, ends: float) -> float:
    """Return the seconds by which slots planned from `begins` until `ends` shift, since others were used late."""
    delays = [use.late for use in uses if use.start <= ends - 1 and use.end >= begins - 1 - use.late]
    return max(0.0, max(delays, default=0.0) - SLOT_TOLERANCE_SECONDS)

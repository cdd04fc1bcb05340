"""The rule of `dispatcher.shift` in Python, to compare it with and to reason about it."""

from collections.abc import Iterable

from services.dispatcher.domain.pacing import SLOT_TOLERANCE_SECONDS, LateUse


def shift_after(uses: Iterable[LateUse], begins: float, ends: float) -> float:
    """By how many seconds the slots planned from `begins` until `ends` are used later, since others were late."""
    before = [use.late for use in uses if use.start <= ends - 1 and use.end >= begins - 1 - use.late]
    return max(0.0, max(before, default=0.0) - SLOT_TOLERANCE_SECONDS)

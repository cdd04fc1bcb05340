"""Checks of the sending rate, from the times at which the simulator accepted messages."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from simulator.clock import MIN_STALL_SECONDS, Stall
from tests.faults.fault_types import FaultPhase
from tests.faults.injector import InjectedFault

Span = tuple[float, float]
WINDOW_SECONDS = 1.0
RECOVERED_SHARE = 0.5
STEP_SECONDS = 0.1
MINUTE_SECONDS, MIN_USED_SECONDS = 60.0, 10.0
UNSETTLED_SECONDS = 5.0
# A stopped sender resumes by itself within a minute of the end of the cause.
RECOVERY_SECONDS = 60.0
# A dispatcher drops a slot that is this late.
LOST_SLOT_SECONDS = 0.05
# A late wake-up is recorded slightly after the first message that follows it.
STALL_SECONDS = 0.05
# Undetected stalls of two processes between the dispatcher's and the log's clock: the simulator and the proxies.
UNNOTICED_SECONDS = 2 * MIN_STALL_SECONDS


@dataclass(frozen=True)
class RateWindows:
    """Most messages in any sliding second, number of seconds with too many, and the worst excess.

    There are two allowances. Messages that arrive while the simulator or the proxies stall are all counted when the
    stall ends, so a second that begins there contains some from before. And seconds in which the latency to Meta was
    made to vary do not count.
    """

    worst: int = 0
    too_full: int = 0
    excess: int = 0


def measure_windows(
    moments: Sequence[float], limit: int, stalls: Sequence[Stall], jitter: Sequence[Span] = ()
) -> RateWindows:
    """Measure all windows; `moments` and `stalls` have to be sorted. A message exactly one second later is outside."""
    counts = [(at, bisect_left(moments, at + WINDOW_SECONDS) - index) for index, at in enumerate(moments)]
    full = (
        (at, count)
        for at, count in counts
        if count > limit and not any(start < at + WINDOW_SECONDS and at < end for start, end in jitter)
    )
    excesses = [count - limit - _compute_allowance(at, limit, stalls) for at, count in full]
    too_many = [excess for excess in excesses if excess > 0]
    return RateWindows(max((count for _, count in counts), default=0), len(too_many), max(too_many, default=0))


def _compute_allowance(at: float, limit: int, stalls: Sequence[Stall]) -> int:
    start, end = bisect_left(stalls, (at - STALL_SECONDS,)), bisect_right(stalls, (at + STALL_SECONDS,))
    return ceil(limit * (UNNOTICED_SECONDS + sum(stall.seconds for stall in stalls[start:end])))


def measure_recovery(fault: InjectedFault, moments: Sequence[float], limit: int) -> float | None:
    """Return the seconds from the repair until half of the rate is reached again; None if it never was.

    `moments` have to be sorted. Other faults or a lack of work may have kept the rate low: the figure is an upper
    limit.
    """
    required = limit * RECOVERED_SHARE * WINDOW_SECONDS
    if not moments:
        return None
    for step in range(int(max(0.0, moments[-1] - fault.repaired) / STEP_SECONDS) + 1):
        start = fault.repaired + step * STEP_SECONDS
        if bisect_right(moments, start + WINDOW_SECONDS) - bisect_left(moments, start) >= required:
            return round(step * STEP_SECONDS, 1)
    return None


def measure_pause(fault: InjectedFault, recovery: float | None, moments: Sequence[float]) -> float:
    """Return the longest time without a message from the start of the fault until half of the rate was back."""
    end = fault.repaired + (recovery or 0.0) + WINDOW_SECONDS
    inside = moments[bisect_left(moments, fault.began) : bisect_right(moments, end)]
    return round(max(later - earlier for earlier, later in pairwise((fault.began, *inside, end))), 1)


def find_fault_spans(faults: Sequence[InjectedFault], recoveries: Sequence[float | None]) -> list[tuple[float, float]]:
    """Return the spans in which a fault was in force or not recovered from."""
    return [
        (fault.began, fault.repaired + (float("inf") if seconds is None else seconds + WINDOW_SECONDS))
        for fault, seconds in zip(faults, recoveries, strict=True)
    ]


@dataclass(frozen=True)
class UsedWindow:
    """Spans in which nothing forbade sending and work was waiting, and the share of the rate used in them."""

    spans: tuple[Span, ...]
    share: float

    @property
    def start(self) -> float:
        return self.spans[0][0]

    @property
    def end(self) -> float:
        return self.spans[-1][1]

    @property
    def seconds(self) -> float:
        return sum(end - start for start, end in self.spans)


def find_forbidden_spans(faults: Sequence[InjectedFault], recoveries: Sequence[float | None]) -> list[Span]:
    """Return the spans in which the full rate cannot be expected.

    They last from the start of a fault until half of the rate was back, at most as long as recovery may take, plus some
    seconds for the rest. For a steady fault they are only the first seconds after its start and after its end.
    """
    spans: list[Span] = []
    for injected, seconds in zip(faults, recoveries, strict=True):
        phase = injected.fault.recipe.phase
        if phase is FaultPhase.STEADY:
            spans += ((at, at + UNSETTLED_SECONDS) for at in (injected.began, injected.repaired))
        elif phase is not FaultPhase.BESIDE:
            recovery = RECOVERY_SECONDS if seconds is None else min(seconds, RECOVERY_SECONDS)
            spans.append((injected.began, injected.repaired + recovery + UNSETTLED_SECONDS))
    return spans


def measure_rate_used(
    moments: Sequence[float], limit: int, waiting: Iterable[Span], forbidden: Sequence[Span], stalls: Sequence[Stall]
) -> list[UsedWindow]:
    """Return the shares in all minutes; undisturbed spans under MIN_USED_SECONDS are left out.

    A minute is gathered from consecutive spans; the rest at the end belongs to the last minute. `moments` are
    those of all requests that reached Meta, sorted as `stalls` and `forbidden` are. Stalls of simulator and proxies
    that are longer than a slot's lifetime are deducted: the machine was busy with something else.
    """
    undisturbed = [span for span in _subtract_spans(waiting, forbidden) if span[1] - span[0] >= MIN_USED_SECONDS]
    return [_measure_window(moments, limit, minute, stalls) for minute in _gather_minutes(undisturbed)]


def _gather_minutes(spans: Iterable[Span]) -> list[list[Span]]:
    minutes: list[list[Span]] = []
    missing = 0.0
    for start, end in spans:
        while start < end:
            if missing < STEP_SECONDS:
                minutes.append([])
                missing = MINUTE_SECONDS
            cut = min(end, start + missing)
            minutes[-1].append((start, cut))
            missing -= cut - start
            start = cut
    if missing >= STEP_SECONDS and len(minutes) > 1:
        minutes[-2:] = [minutes[-2] + minutes[-1]]
    return minutes


def _measure_window(moments: Sequence[float], limit: int, spans: Sequence[Span], stalls: Sequence[Stall]) -> UsedWindow:
    sent = expected = 0.0
    for start, end in spans:
        sent += bisect_left(moments, end) - bisect_left(moments, start)
        missed = sum(
            min(stall.seconds, stall.ended_at - start)
            for stall in stalls[bisect_left(stalls, (start,)) : bisect_left(stalls, (end,))]
            if stall.seconds > LOST_SLOT_SECONDS
        )
        expected += limit * (end - start - missed)
    return UsedWindow(tuple(spans), sent / max(1.0, expected))


def _subtract_spans(spans: Iterable[Span], taken: Sequence[Span]) -> Iterator[Span]:
    """Yield the parts of the spans outside `taken`."""
    for first, last in spans:
        start = first
        for begin, end in taken:
            if begin < last and end > start:
                if begin > start:
                    yield start, begin
                start = end
        if start < last:
            yield start, last

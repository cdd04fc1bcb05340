"""The limits are exact: no window of a second, and no pair, ever gets more than Meta allows."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from simulator.limits import MAX_PAIR_BURST, PAIR_INTERVAL_SECONDS, WINDOW_SECONDS, Burst, SlidingWindow, extend_burst

# Thousandths of a second, so that events exactly a second apart are common.
gaps = st.lists(st.integers(0, 1200), max_size=200)
START = 1_794_300_000.0


def moments(thousandths: list[int]) -> list[float]:
    return [START + passed / 1000 for passed in itertools.accumulate(thousandths)]


@given(gaps=gaps, limit=st.integers(1, 20))
def test_no_sliding_second_holds_more_than_the_limit(gaps: list[int], limit: int) -> None:
    window = SlidingWindow()
    accepted = []
    for now in moments(gaps):
        if window.count(now) < limit:
            window.add(now)
            accepted.append(now)
    for first in accepted:
        assert sum(first <= other and other - first < WINDOW_SECONDS for other in accepted) <= limit


@given(gaps=gaps)
def test_the_peak_is_the_fullest_second_that_ever_was(gaps: list[int]) -> None:
    window = SlidingWindow()
    times = moments(gaps)
    for now in times:
        window.add(now)
    fullest = max((sum(0 <= last - other < WINDOW_SECONDS for other in times) for last in times), default=0)
    assert window.peak == fullest


@given(gaps=st.lists(st.integers(0, 9000), max_size=200))
def test_no_six_seconds_hold_more_than_a_burst_and_debts_are_repaid(gaps: list[int]) -> None:
    burst: Burst | None = None
    accepted: list[float] = []
    for now in moments(gaps):
        following = extend_burst(burst, now)
        if following is not None:
            burst = following
            accepted.append(now)
    for first in accepted:
        assert sum(first <= other < first + PAIR_INTERVAL_SECONDS for other in accepted) <= MAX_PAIR_BURST
    if accepted:
        elapsed = accepted[-1] - accepted[0]
        assert len(accepted) <= MAX_PAIR_BURST + elapsed / PAIR_INTERVAL_SECONDS


def test_a_burst_of_twenty_has_to_wait_two_minutes() -> None:
    burst: Burst | None = None
    for _ in range(20):
        burst = extend_burst(burst, START)
        assert burst is not None
    assert extend_burst(burst, START + 119.9) is None
    assert extend_burst(burst, START + 120) == Burst(START + 120, 1)


def test_one_message_every_six_seconds_is_always_allowed() -> None:
    burst: Burst | None = None
    for position in range(100):
        burst = extend_burst(burst, START + position * PAIR_INTERVAL_SECONDS)
        assert burst is not None
        assert burst.size == 1

"""Sliding seconds and recovery."""

from hypothesis import given
from hypothesis import strategies as st

from simulator.clock import Stall
from tests.faults.backlog import BacklogSample, merge_waiting_spans
from tests.faults.rate_checks import (
    Span,
    find_fault_spans,
    find_forbidden_spans,
    measure_pause,
    measure_rate_used,
    measure_recovery,
    measure_windows,
)
from tests.unit.faults.factories import build_injected_fault

moments = st.lists(st.integers(0, 10_000).map(lambda millis: millis / 1000), max_size=60).map(sorted)


@given(moments)
def test_the_worst_window_is_what_counting_every_window_gives(times: list[float]) -> None:
    slowly = max((sum(1 for other in times if at <= other < at + 1.0) for at in times), default=0)
    assert measure_windows(times, 1000, []).worst == slowly


def test_recovery_is_counted_from_the_repair_to_half_the_rate() -> None:
    """From second 29.4 on a second holds five of them."""
    times = [30.0 + number / 10 for number in range(100)]
    assert measure_recovery(build_injected_fault("kill postgres", 20.0, 28.0), times, 10) == 1.4
    assert measure_recovery(build_injected_fault("kill postgres", 20.0, 31.0), times, 10) == 0.0


def test_what_never_recovers_is_said_to_be_so_and_stays_trouble() -> None:
    fault = build_injected_fault("kill postgres", 20.0, 28.0)
    assert measure_recovery(fault, [1.0], 10) is None
    assert measure_recovery(fault, [], 10) is None
    assert find_fault_spans([fault], [None]) == [(20.0, float("inf"))]
    assert find_fault_spans([fault], [2.0]) == [(20.0, 31.0)]


def test_the_longest_pause_begins_with_the_fault_and_ends_with_the_recovery() -> None:
    fault = build_injected_fault("kill postgres", 20.0, 28.0)
    assert measure_pause(fault, 2.0, [10.0, 19.5, 21.0, 27.5, 29.0, 30.5, 60.0]) == 6.5
    assert measure_pause(fault, None, [10.0, 60.0]) == 9.0


LIMIT = 10


def sent(start: float, end: float, per_second: float = LIMIT) -> list[float]:
    return [start + number / per_second for number in range(int((end - start) * per_second))]


def shares(times: list[float], waiting: list[Span], forbidden: list[Span] | None = None, *stalls: Stall) -> list[float]:
    return [round(one.share, 2) for one in measure_rate_used(times, LIMIT, waiting, forbidden or [], stalls)]


def test_the_share_of_each_minute_counts_and_what_is_left_is_spread() -> None:
    times = sent(0, 60) + sent(60, 120, 5)
    assert shares(times, [(0, 120)]) == [1.0, 0.5]
    assert [one.seconds for one in measure_rate_used(times, LIMIT, [(0, 80)], [], [])] == [80.0]


def test_a_minute_is_gathered_from_spans_between_faults() -> None:
    times, faults = sent(0, 40) + sent(40, 80, 5) + sent(80, 190), [(20.0, 50.0), (75.0, 80.0)]
    first, last = measure_rate_used(times, LIMIT, [(0, 190)], faults, [])
    assert (first.spans, round(first.share, 3)) == (((0, 20), (50, 75), (80, 95)), round(47.5 / 60, 3))
    assert (last.seconds, last.share) == (95.0, 1.0)


def test_a_time_without_work_or_with_a_fault_says_nothing() -> None:
    times = sent(0, 30)
    assert shares(times, []) == []
    assert shares(times, [(0, 30)], [(30, 40)]) == [1.0]
    assert shares(times, [(0, 60)], [(30, 60)]) == [1.0]
    assert shares(times, [(0, 60)], [(28, 45), (30, 52)]) == [1.0], "the rest is too short to judge"
    assert shares(times, [(0, 60)]) == [0.5]


def test_while_the_judge_stood_still_nothing_is_expected_but_it_is_not_forgiven_everything() -> None:
    times = sent(0, 10) + sent(15, 20)
    assert shares(times, [(0, 20)]) == [0.75]
    assert shares(times, [(0, 20)], [], Stall(15.0, 5.0)) == [1.0]
    assert shares(times, [(0, 20)], [], Stall(15.0, 0.04)) == [0.75]


@given(moments, st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)).map(sorted), max_size=5))
def test_windows_lie_where_work_waited_and_nothing_forbade_to_send(times: list[float], spans: list[list[int]]) -> None:
    forbidden = sorted((float(start), float(end)) for start, end in spans)
    for one in measure_rate_used(times, LIMIT, [(0.0, 100.0)], forbidden, []):
        assert 10 <= one.seconds < 120
        for first, last in one.spans:
            assert not any(start < last and end > first and start < end for start, end in forbidden)


def test_a_rough_fault_forbids_until_sending_is_back_but_no_longer_than_it_may_take() -> None:
    fault = build_injected_fault("kill postgres", 20.0, 28.0)
    assert find_forbidden_spans([fault], [2.0]) == [(20.0, 35.0)]
    assert find_forbidden_spans([fault], [None]) == [(20.0, 93.0)]


def test_a_steady_fault_unsettles_for_seconds_and_what_goes_on_beside_does_not() -> None:
    faults = [build_injected_fault("a slow Meta", 20.0, 50.0), build_injected_fault("webhooks delayed", 20.0, 28.0)]
    assert find_forbidden_spans(faults, [0.0, 0.0]) == [(20.0, 25.0), (50.0, 55.0)]


def test_work_waited_where_no_sample_says_otherwise() -> None:
    samples = [
        BacklogSample(at / 2, waiting) for at, waiting in enumerate([False, True, True, True, False, True, True])
    ]
    assert merge_waiting_spans(samples) == [(0.5, 1.5), (2.5, 3.0)]
    assert merge_waiting_spans([BacklogSample(1, waiting=True), BacklogSample(9, waiting=True)]) == [(1, 1), (9, 9)]
    assert merge_waiting_spans([]) == []

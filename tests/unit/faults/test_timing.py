"""Sliding seconds and recovery."""

from hypothesis import given
from hypothesis import strategies as st

from cli.faults.timing import recovery, troubled, windows
from tests.unit.faults.material import done

moments = st.lists(st.integers(0, 10_000).map(lambda millis: millis / 1000), max_size=60).map(sorted)


@given(moments)
def test_the_worst_window_is_what_counting_every_window_gives(times: list[float]) -> None:
    slowly = max((sum(1 for other in times if at <= other < at + 1.0) for at in times), default=0)
    assert windows(times, 1000, []).worst == slowly


def test_recovery_is_counted_from_the_repair_to_half_the_rate() -> None:
    """From second 29.4 on a second holds five of them."""
    times = [30.0 + number / 10 for number in range(100)]
    assert recovery(done("kill postgres", 20.0, 28.0), times, 10) == 1.4
    assert recovery(done("kill postgres", 20.0, 31.0), times, 10) == 0.0


def test_what_never_recovers_is_said_to_be_so_and_stays_trouble() -> None:
    fault = done("kill postgres", 20.0, 28.0)
    assert recovery(fault, [1.0], 10) is None
    assert recovery(fault, [], 10) is None
    assert troubled([fault], [None]) == [(20.0, float("inf"))]
    assert troubled([fault], [2.0]) == [(20.0, 31.0)]

"""Leases and deadlines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.domain.pacing import (
    CLOCK_MEMORY,
    LATE_SECONDS,
    LATEST_SECONDS,
    Lease,
    ServerClock,
    debt,
    lease_slots,
    permitted_rate,
)


@given(st.floats(1, 2000), st.integers(0, 10_000))
def test_a_lease_is_about_a_tenth_of_a_second_and_never_more_than_there_is_to_send(rate: float, available: int) -> None:
    slots = lease_slots(rate, available)
    assert 1 <= slots <= max(1, available)
    assert slots <= rate / 10 + 1


@given(st.floats(1, 1000), st.integers(1, 200))
def test_deadlines_are_one_spacing_apart(spacing_inverse: float, slots: int) -> None:
    lease = Lease(start=10.0, spacing=1 / spacing_inverse, slots=slots)
    deadlines = list(lease.deadlines())
    assert len(deadlines) == slots
    assert deadlines[-1] == pytest.approx(10.0 + (slots - 1) * lease.spacing)


def test_a_slot_is_missed_when_it_is_later_than_a_spacing_and_a_fiftieth_of_a_second() -> None:
    slow, fast = Lease(start=0.0, spacing=0.1, slots=1), Lease(start=0.0, spacing=0.001, slots=1)
    for lease, late in ((slow, 0.1), (fast, LATEST_SECONDS)):
        assert not lease.missed(late - 1e-6)
        assert lease.missed(late + 1e-6)


@given(st.integers(1, 10_000), st.floats(0, LATE_SECONDS))
def test_a_second_and_what_may_be_late_hold_no_more_than_the_limit(limit: int, late: float) -> None:
    spacing = 1 / permitted_rate(limit)
    assert limit * spacing - late >= 1 - 1e-9, "the message after so many is a second later, the first being late"


@given(st.integers(1, 500), st.data())
def test_no_sliding_second_holds_more_when_lateness_is_paid_back(limit: int, data: st.DataObject) -> None:
    """One message after the other, each up to 30 ms late; the row moves by the debt before the next second."""
    planned, moments = 0.0, []
    for late in data.draw(st.lists(st.floats(0, 0.03), min_size=2 * limit + 5, max_size=2 * limit + 5)):
        moments.append(planned + late)
        planned += 1 / permitted_rate(limit) + debt(late)
    worst = max(sum(1 for other in moments if moment <= other < moment + 1) for moment in moments)
    assert worst <= limit


@given(st.lists(st.tuples(st.floats(0, 0.2), st.floats(0, 0.2)), min_size=1, max_size=100), st.floats(-1e6, 1e6))
def test_a_moment_of_the_server_is_never_early_and_late_by_the_shortest_way_back(
    ways: list[tuple[float, float]], difference: float
) -> None:
    clock, now = ServerClock(), 1000.0
    shortest = min(back for _, back in ways[-CLOCK_MEMORY:])
    for there, back in ways:
        now += there
        clock.heard(read=now + difference, arrived=now + back)
        now += back
    assert clock.local(now + difference) == pytest.approx(now + shortest, abs=1e-6)

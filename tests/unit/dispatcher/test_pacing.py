"""Leases and deadlines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.domain.pacing import TOLERATED_SECONDS, TOLERATED_SLOTS, Lease, lease_slots, permitted_rate


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


def test_a_slot_may_be_used_a_little_late_and_no_later() -> None:
    slow, fast = Lease(start=0.0, spacing=0.01, slots=1), Lease(start=0.0, spacing=0.001, slots=1)
    for lease, late in ((slow, 0.01 * TOLERATED_SLOTS), (fast, TOLERATED_SECONDS)):
        assert not lease.missed(1.0, 1.0 + late - 1e-6)
        assert lease.missed(1.0, 1.0 + late + 1e-6)


@given(st.floats(10, 10_000))
def test_rate_and_late_slots_together_stay_within_the_limit(limit: float) -> None:
    rate = permitted_rate(limit)
    late = max(TOLERATED_SLOTS, TOLERATED_SECONDS * rate)
    assert rate + late + 2 <= limit + 1e-9, "one slot may be caught up, and both ends of a second count"

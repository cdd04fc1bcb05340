"""Leases and deadlines."""

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.domain.pacing import (
    BATCH_PREFETCH_SECONDS,
    CLOCK_SAMPLES,
    MAX_LATENESS_SECONDS,
    MAX_PREFETCH_SECONDS,
    MAX_SLOT_DELAY_SECONDS,
    MIN_PREFETCH_SECONDS,
    SLOT_TOLERANCE_SECONDS,
    LateUse,
    Lease,
    ServerClock,
    compute_lease_slots,
    compute_permitted_rate,
    compute_prefetch_seconds,
    compute_prefetched_batches,
)
from tests.factories.pacing_model import shift_after

MAX_SHIFT_SECONDS = 0.25


@given(st.floats(1, 2000), st.integers(0, 10_000))
def test_a_lease_is_a_tenth_of_a_second_and_what_there_is_to_send_at_most(rate: float, available: int) -> None:
    slots = compute_lease_slots(rate, available)
    assert 1 <= slots <= max(1, available)
    assert slots <= max(1, rate / 10 + 1e-9)


@given(st.floats(1, 2000), st.integers(1, 100))
def test_the_batches_in_hand_last_for_half_a_second_and_hardly_longer(rate: float, recipients: int) -> None:
    batches, needed = compute_prefetched_batches(rate, recipients), rate * BATCH_PREFETCH_SECONDS
    assert batches >= 2, "one is delivered while the other is claimed"
    assert needed <= batches * recipients
    assert batches == 2 or (batches - 1) * recipients < needed


@given(st.floats(1, 1000), st.integers(1, 200))
def test_deadlines_are_one_spacing_apart(spacing_inverse: float, slots: int) -> None:
    lease = Lease(start=10.0, spacing=1 / spacing_inverse, slots=slots)
    deadlines = list(lease.iterate_deadlines())
    assert len(deadlines) == slots
    assert deadlines[-1] == pytest.approx(10.0 + (slots - 1) * lease.spacing)


@given(st.integers(1, 10_000), st.floats(0, MAX_LATENESS_SECONDS))
def test_a_second_and_what_may_be_late_hold_no_more_than_the_limit(limit: int, late: float) -> None:
    spacing = 1 / compute_permitted_rate(limit)
    assert limit * spacing - late >= 1 - 1e-9, "the message after so many is a second later, the first being late"


@given(st.integers(1, 300), st.integers(1, 8), st.data())
def test_no_sliding_second_holds_more_whoever_is_late(limit: int, replicas: int, data: st.DataObject) -> None:
    """Leases of several replicas, each with one reserved ahead, used up to 50 ms late, planned as the row does."""
    spacing, planned = 1 / compute_permitted_rate(limit), 0.0
    slots = compute_lease_slots(compute_permitted_rate(limit), 1000)
    lates = data.draw(st.lists(st.floats(0, MAX_SLOT_DELAY_SECONDS), min_size=1, max_size=20))
    used, moments = list[LateUse](), list[float]()
    for number in range(3 * limit // slots + 2):
        shift = shift_after(used[: max(0, number - replicas)], planned, planned + slots * spacing)
        if shift > MAX_SHIFT_SECONDS:
            planned, shift = planned + shift, 0.0
        late = lates[number % len(lates)]
        moments.extend(planned + shift + late + slot * spacing for slot in range(slots))
        used.append(LateUse(planned, planned + slots * spacing, shift + late))
        planned += slots * spacing
    moments.sort()
    assert all(later - first >= 1 - 1e-9 for first, later in zip(moments, moments[limit:], strict=False))


def test_lateness_dies_away_and_costs_no_rate() -> None:
    spacing = 1 / compute_permitted_rate(80)
    used = [LateUse(0.0, 8 * spacing, 0.05)]
    for second in range(1, 20):
        begins = second * 80 * spacing
        shift = shift_after(used, begins, begins + 8 * spacing)
        assert shift == pytest.approx(max(0.0, 0.05 - second * SLOT_TOLERANCE_SECONDS))
        used = [LateUse(begins, begins + 8 * spacing, shift)]


def test_only_what_is_late_enough_is_told_and_what_was_shifted_counts() -> None:
    lease = Lease(start=10.0, spacing=0.01, slots=8, planned=500.0, shift=0.002)
    assert lease.build_late_use(SLOT_TOLERANCE_SECONDS - 0.0021) is None
    assert lease.build_late_use(0.01) == LateUse(start=500.0, end=500.08, late=0.012)


@given(st.lists(st.tuples(st.floats(0, 0.2), st.floats(0, 0.2)), min_size=1, max_size=100), st.floats(-1e6, 1e6))
def test_a_moment_of_the_server_is_never_early_and_late_by_the_shortest_way_back(
    ways: list[tuple[float, float]], difference: float
) -> None:
    clock, now = ServerClock(), 1000.0
    shortest = min(back for _, back in ways[-CLOCK_SAMPLES:])
    for there, back in ways:
        now += there
        clock.observe(server_time=now + difference, received_at=now + back)
        now += back
    assert clock.convert_to_local(now + difference) == pytest.approx(now + shortest, abs=1e-6)


@given(st.floats(MIN_PREFETCH_SECONDS, MAX_PREFETCH_SECONDS), st.floats(0, 0.15))
def test_one_slow_claim_is_allowed_for_at_once_and_forgotten_slowly(lead: float, slow: float) -> None:
    followed = compute_prefetch_seconds(lead, slow)
    assert max(MIN_PREFETCH_SECONDS, slow) <= followed <= MAX_PREFETCH_SECONDS
    leads = list(accumulate(range(200), lambda before, _: compute_prefetch_seconds(before, 0.001), initial=followed))
    assert all(later <= earlier for earlier, later in pairwise(leads))
    assert leads[10] >= min(followed, slow)
    assert leads[-1] == MIN_PREFETCH_SECONDS

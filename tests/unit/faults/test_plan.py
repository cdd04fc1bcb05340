"""The plan: the same for the same seed, every kind in it, inside the run, and repaired before its end."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults.fault_types import FAULT_TYPES, FaultAction, FaultPhase, FaultType
from tests.faults.node_faults import NODE_FAULT_TYPES, make_node_plan
from tests.faults.plan import (
    DEFAULT_PACE,
    DEFAULT_PLAN_SECONDS,
    SHORT_PACE,
    SHORT_PLAN_SECONDS,
    Fault,
    PlanPace,
    compute_plan_seconds,
    make_plan,
)

seeds = st.integers(0, 2**63 - 1)
seconds = st.floats(60, 3600)
paces = st.sampled_from([DEFAULT_PACE, SHORT_PACE])


@given(seed=seeds, seconds=seconds, pace=paces)
def test_the_same_seed_makes_the_same_plan(seed: int, seconds: float, pace: PlanPace) -> None:
    assert make_plan(seed, seconds, pace) == make_plan(seed, seconds, pace)


def test_another_seed_makes_another_plan() -> None:
    plans = [make_plan(seed, DEFAULT_PLAN_SECONDS) for seed in range(20)]
    assert all(plan not in plans[:index] for index, plan in enumerate(plans))


@given(seed=seeds, seconds=seconds, pace=paces)
def test_faults_come_in_order_and_are_repaired_inside_the_run(seed: int, seconds: float, pace: PlanPace) -> None:
    plan = make_plan(seed, seconds, pace)
    assert plan
    assert [fault.at for fault in plan] == sorted(fault.at for fault in plan)
    assert all(0 <= fault.at <= fault.until <= seconds for fault in plan)


@given(seed=seeds, rounds=st.sampled_from([(SHORT_PACE, SHORT_PLAN_SECONDS), (DEFAULT_PACE, DEFAULT_PLAN_SECONDS)]))
def test_a_round_has_every_kind(seed: int, rounds: tuple[PlanPace, float]) -> None:
    pace, seconds = rounds
    assert {fault.kind for fault in make_plan(seed, seconds, pace)} == {recipe.kind for recipe in FAULT_TYPES}


@given(seed=seeds, seconds=seconds, pace=paces)
def test_every_kind_comes_once_before_any_comes_again(seed: int, seconds: float, pace: PlanPace) -> None:
    times = Counter(fault.kind for fault in make_plan(seed, seconds, pace))
    every = [times[recipe.kind] for recipe in FAULT_TYPES]
    assert max(every) - min(every) <= 1


def met(plan: tuple[Fault, ...], phase: FaultPhase) -> list[set[FaultPhase]]:
    """Beside what each fault of this phase goes on."""
    return [
        {other.recipe.phase for other in plan if other.at < one.until - 0.01 and one.at < other.until - 0.01}
        for one in plan
        if one.recipe.phase is phase
    ]


@given(seed=seeds, pace=paces)
def test_while_the_full_rate_is_due_nothing_rough_happens(seed: int, pace: PlanPace) -> None:
    for beside in met(make_plan(seed, DEFAULT_PLAN_SECONDS, pace), FaultPhase.STEADY):
        assert beside <= {FaultPhase.STEADY, FaultPhase.BESIDE}


@given(seed=seeds, pace=paces)
def test_a_sender_that_was_stopped_has_time_to_come_back(seed: int, pace: PlanPace) -> None:
    plan = make_plan(seed, DEFAULT_PLAN_SECONDS, pace)
    concerned = [fault for fault in plan if fault.recipe.phase is not FaultPhase.BESIDE]
    for fault, following in pairwise(concerned):
        if fault.recipe.phase is FaultPhase.STOPPED and following.recipe.phase is not FaultPhase.STOPPED:
            assert round(following.at - fault.at, 3) >= 38  # moments are rounded to milliseconds


@given(seed=seeds, seconds=seconds, pace=paces)
def test_each_fault_hits_what_it_may_and_lasts_as_long_as_it_may(seed: int, seconds: float, pace: PlanPace) -> None:
    for fault in make_plan(seed, seconds, pace):
        shortest, longest = fault.recipe.seconds
        assert fault.target in fault.recipe.targets
        assert shortest - 0.001 <= fault.seconds <= longest + 0.001


@given(rate=st.integers(80, 1000), deliveries=st.integers(100, 2_000_000))
def test_a_plan_is_a_round_or_as_long_as_the_deliveries_take(rate: int, deliveries: int) -> None:
    assert compute_plan_seconds(deliveries=deliveries, rate=rate) >= max(DEFAULT_PLAN_SECONDS, deliveries / rate)


def test_kinds_are_named_once_and_what_lasts_does_something() -> None:
    assert len({recipe.kind for recipe in FAULT_TYPES}) == len(FAULT_TYPES)
    for recipe in FAULT_TYPES:
        assert recipe.targets
        assert recipe.network.is_disturbed is (recipe.action is FaultAction.NETWORK)
        assert recipe.disturbance or recipe.action is not FaultAction.META


@pytest.mark.parametrize("recipe", [one for one in FAULT_TYPES if one.network.page], ids=lambda one: one.kind)
def test_a_page_is_an_answer_that_says_how_long_it_is(recipe: FaultType) -> None:
    head, _, body = recipe.network.page.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 4")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"error" not in body


@given(seed=seeds)
def test_every_fault_of_a_node_comes_once_and_none_on_top_of_another(seed: int) -> None:
    plan = make_node_plan(seed)
    assert sorted(fault.kind for fault in plan) == sorted(recipe.kind for recipe in NODE_FAULT_TYPES)
    assert all(fault.target in fault.recipe.targets for fault in plan)
    assert all(before.until < after.at for before, after in pairwise(plan))

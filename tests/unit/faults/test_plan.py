"""The plan: the same for the same seed, every kind in it, inside the run, and repaired before its end."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.faults.fault_types import (
    DISPATCHERS,
    MAX_DISPATCHERS,
    FaultAction,
    FaultPhase,
    FaultType,
    build_fault_types,
)
from tests.faults.node_faults import NODE_FAULT_TYPES, make_node_plan
from tests.faults.plan import DEFAULT_PACE, SHORT_PACE, Fault, PlanPace, compute_round_seconds, make_plan
from tests.proxy import UNDISTURBED_NETWORK

seeds = st.integers(0, 2**63 - 1)
seconds = st.floats(60, 3600)
paces = st.sampled_from([DEFAULT_PACE, SHORT_PACE])
Types = tuple[FaultType, ...]
BY_DISPATCHERS = [build_fault_types(count) for count in range(1, MAX_DISPATCHERS + 1)]
FAULT_TYPES = build_fault_types(DISPATCHERS)
some_types = st.sampled_from(BY_DISPATCHERS)


def make_round(seed: int, pace: PlanPace, types: Types) -> tuple[Fault, ...]:
    return make_plan(seed, compute_round_seconds(seed, pace, types), pace, types)


@given(seed=seeds, seconds=seconds, pace=paces)
def test_the_same_seed_makes_the_same_plan(seed: int, seconds: float, pace: PlanPace) -> None:
    assert make_plan(seed, seconds, pace, FAULT_TYPES) == make_plan(seed, seconds, pace, FAULT_TYPES)


@given(seed=seeds, seconds=seconds, pace=paces)
def test_faults_come_in_order_and_are_repaired_inside_the_run(seed: int, seconds: float, pace: PlanPace) -> None:
    plan = make_plan(seed, seconds, pace, FAULT_TYPES)
    assert plan
    assert [fault.at for fault in plan] == sorted(fault.at for fault in plan)
    assert all(0 <= fault.at <= fault.until <= seconds for fault in plan)


@given(seed=seeds, pace=paces, types=some_types)
def test_a_round_has_every_kind_once(seed: int, pace: PlanPace, types: Types) -> None:
    plan = make_round(seed, pace, types)
    assert sorted(fault.kind for fault in plan) == sorted(recipe.kind for recipe in types)


@given(seed=seeds, types=some_types)
def test_a_short_round_is_short(seed: int, types: Types) -> None:
    assert compute_round_seconds(seed, SHORT_PACE, types) <= 510


@given(seed=seeds, seconds=seconds, pace=paces)
def test_every_kind_comes_once_before_any_comes_again(seed: int, seconds: float, pace: PlanPace) -> None:
    times = Counter(fault.kind for fault in make_plan(seed, seconds, pace, FAULT_TYPES))
    every = [times[recipe.kind] for recipe in FAULT_TYPES]
    assert max(every) - min(every) <= 1


def test_a_fault_disturbs_something() -> None:
    for recipe in FAULT_TYPES:
        assert (recipe.network != UNDISTURBED_NETWORK) is (recipe.action is FaultAction.NETWORK), recipe.kind
        assert recipe.disturbance or recipe.action is not FaultAction.META, recipe.kind


def met(plan: tuple[Fault, ...], phase: FaultPhase) -> list[set[FaultPhase]]:
    """Beside what each fault of this phase goes on."""
    return [
        {other.recipe.phase for other in plan if other.at < one.until - 0.01 and one.at < other.until - 0.01}
        for one in plan
        if one.recipe.phase is phase
    ]


@given(seed=seeds, pace=paces, types=some_types)
def test_while_the_full_rate_is_due_nothing_rough_happens(seed: int, pace: PlanPace, types: Types) -> None:
    for beside in met(make_round(seed, pace, types), FaultPhase.STEADY):
        assert beside <= {FaultPhase.STEADY, FaultPhase.BESIDE}


@given(seed=seeds, pace=paces, types=some_types)
def test_a_sender_that_was_stopped_has_time_to_come_back(seed: int, pace: PlanPace, types: Types) -> None:
    plan = make_round(seed, pace, types)
    concerned = [fault for fault in plan if fault.recipe.phase is not FaultPhase.BESIDE]
    for fault, following in pairwise(concerned):
        if fault.recipe.phase is FaultPhase.STOPPED and following.recipe.phase is not FaultPhase.STOPPED:
            assert round(following.at - fault.at, 3) >= 38  # moments are rounded to milliseconds


@given(seed=seeds, pace=paces, types=some_types)
def test_each_fault_hits_what_it_may_and_lasts_as_long_as_it_may(seed: int, pace: PlanPace, types: Types) -> None:
    for fault in make_round(seed, pace, types):
        shortest, longest = fault.recipe.seconds
        assert fault.target in fault.recipe.targets
        assert shortest - 0.001 <= fault.seconds <= longest + 0.001


@given(seed=seeds)
def test_every_fault_of_a_node_comes_once_and_none_on_top_of_another(seed: int) -> None:
    plan = make_node_plan(seed)
    assert sorted(fault.kind for fault in plan) == sorted(recipe.kind for recipe in NODE_FAULT_TYPES)
    assert all(fault.target in fault.recipe.targets for fault in plan)
    assert all(before.until < after.at for before, after in pairwise(plan))

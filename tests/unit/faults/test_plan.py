"""The plan: the same for the same seed, every kind in it, inside the run, and repaired before its end."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.faults.catalogue import RECIPES, Action, Phase, Recipe
from cli.faults.plan import SHORT, SHORT_SECONDS, USUAL, USUAL_SECONDS, Fault, Pace, make_plan, seconds_for

seeds = st.integers(0, 2**63 - 1)
seconds = st.floats(60, 3600)
paces = st.sampled_from([USUAL, SHORT])


@given(seed=seeds, seconds=seconds, pace=paces)
def test_the_same_seed_makes_the_same_plan(seed: int, seconds: float, pace: Pace) -> None:
    assert make_plan(seed, seconds, pace) == make_plan(seed, seconds, pace)


def test_another_seed_makes_another_plan() -> None:
    plans = [make_plan(seed, USUAL_SECONDS) for seed in range(20)]
    assert all(plan not in plans[:index] for index, plan in enumerate(plans))


@given(seed=seeds, seconds=seconds, pace=paces)
def test_faults_come_in_order_and_are_repaired_inside_the_run(seed: int, seconds: float, pace: Pace) -> None:
    plan = make_plan(seed, seconds, pace)
    assert plan
    assert [fault.at for fault in plan] == sorted(fault.at for fault in plan)
    assert all(0 <= fault.at <= fault.until <= seconds for fault in plan)


@given(seed=seeds, rounds=st.sampled_from([(SHORT, SHORT_SECONDS), (USUAL, USUAL_SECONDS)]))
def test_a_round_has_every_kind(seed: int, rounds: tuple[Pace, float]) -> None:
    pace, seconds = rounds
    assert {fault.kind for fault in make_plan(seed, seconds, pace)} == {recipe.kind for recipe in RECIPES}


@given(seed=seeds, seconds=seconds, pace=paces)
def test_every_kind_comes_once_before_any_comes_again(seed: int, seconds: float, pace: Pace) -> None:
    times = Counter(fault.kind for fault in make_plan(seed, seconds, pace))
    every = [times[recipe.kind] for recipe in RECIPES]
    assert max(every) - min(every) <= 1


def met(plan: tuple[Fault, ...], phase: Phase) -> list[set[Phase]]:
    """Beside what each fault of this phase goes on."""
    return [
        {other.recipe.phase for other in plan if other.at < one.until - 0.01 and one.at < other.until - 0.01}
        for one in plan
        if one.recipe.phase is phase
    ]


@given(seed=seeds, pace=paces)
def test_while_the_full_rate_is_due_nothing_rough_happens(seed: int, pace: Pace) -> None:
    for beside in met(make_plan(seed, USUAL_SECONDS, pace), Phase.STEADY):
        assert beside <= {Phase.STEADY, Phase.BESIDE}


@given(seed=seeds, pace=paces)
def test_a_sender_that_was_stopped_has_time_to_come_back(seed: int, pace: Pace) -> None:
    plan = make_plan(seed, USUAL_SECONDS, pace)
    concerned = [fault for fault in plan if fault.recipe.phase is not Phase.BESIDE]
    for fault, following in pairwise(concerned):
        if fault.recipe.phase is Phase.STOPPED and following.recipe.phase is not Phase.STOPPED:
            assert following.at >= fault.at + 38


@given(seed=seeds, seconds=seconds, pace=paces)
def test_each_fault_hits_what_it_may_and_lasts_as_long_as_it_may(seed: int, seconds: float, pace: Pace) -> None:
    for fault in make_plan(seed, seconds, pace):
        shortest, longest = fault.recipe.seconds
        assert fault.target in fault.recipe.targets
        assert shortest - 0.001 <= fault.seconds <= longest + 0.001


@given(rate=st.integers(80, 1000), deliveries=st.integers(100, 2_000_000))
def test_a_plan_is_a_round_or_as_long_as_the_deliveries_take(rate: int, deliveries: int) -> None:
    assert seconds_for(deliveries=deliveries, rate=rate) >= max(USUAL_SECONDS, deliveries / rate)


def test_kinds_are_named_once_and_what_lasts_does_something() -> None:
    assert len({recipe.kind for recipe in RECIPES}) == len(RECIPES)
    for recipe in RECIPES:
        assert recipe.targets
        assert recipe.weather.worse is (recipe.action is Action.WEATHER)
        assert recipe.disturbance or recipe.action is not Action.META


@pytest.mark.parametrize("recipe", [one for one in RECIPES if one.weather.page], ids=lambda one: one.kind)
def test_a_page_is_an_answer_that_says_how_long_it_is(recipe: Recipe) -> None:
    head, _, body = recipe.weather.page.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 4")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"error" not in body

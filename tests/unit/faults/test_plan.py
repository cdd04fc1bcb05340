"""The plan: the same for the same seed, of many kinds, inside the run, and repaired before its end."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from cli.faults.catalogue import RECIPES, Action
from cli.faults.plan import SHORT_FAULTS, SHORT_SECONDS, Length, length_for, make_plan

seeds = st.integers(0, 2**63 - 1)
lengths = st.builds(Length, seconds=st.floats(60, 3600), faults=st.integers(1, 400))


@given(seed=seeds, length=lengths)
def test_the_same_seed_makes_the_same_plan(seed: int, length: Length) -> None:
    assert make_plan(seed, length) == make_plan(seed, length)


def test_another_seed_makes_another_plan() -> None:
    length = Length(300, 60)
    plans = [make_plan(seed, length) for seed in range(20)]
    assert all(plan not in plans[:index] for index, plan in enumerate(plans))


@given(seed=seeds, length=lengths)
def test_faults_come_in_order_and_are_repaired_inside_the_run(seed: int, length: Length) -> None:
    plan = make_plan(seed, length)
    assert len(plan) == length.faults
    assert [fault.at for fault in plan] == sorted(fault.at for fault in plan)
    assert all(0 <= fault.at <= fault.until <= length.seconds for fault in plan)


@given(seed=seeds, length=lengths)
def test_every_kind_comes_once_before_any_comes_again(seed: int, length: Length) -> None:
    times = Counter(fault.kind for fault in make_plan(seed, length))
    assert len(times) == min(length.faults, len(RECIPES))
    assert max(times.values()) - min(times.values()) <= 1


@given(seed=seeds, length=lengths)
def test_each_fault_hits_what_it_may_and_lasts_as_long_as_it_may(seed: int, length: Length) -> None:
    for fault in make_plan(seed, length):
        shortest, longest = fault.recipe.seconds
        assert fault.target in fault.recipe.targets
        assert shortest - 0.001 <= fault.seconds <= longest + 0.001


@given(rate=st.integers(80, 1000), deliveries=st.integers(20_000, 100_000))
def test_so_many_deliveries_meet_at_least_sixty_faults_of_eight_kinds(rate: int, deliveries: int) -> None:
    length = length_for(deliveries=deliveries, rate=rate, minutes=None)
    plan = make_plan(1, length)
    assert len(plan) >= 60
    assert len({fault.kind for fault in plan}) >= 8


@given(minutes=st.floats(0.5, 600))
def test_minutes_are_kept(minutes: float) -> None:
    assert length_for(deliveries=20_000, rate=200, minutes=minutes).seconds == minutes * 60


def test_the_short_plan_has_many_kinds_too() -> None:
    assert len({fault.kind for fault in make_plan(3, Length(SHORT_SECONDS, SHORT_FAULTS))}) >= 30


def test_kinds_are_named_once_and_what_lasts_does_something() -> None:
    assert len({recipe.kind for recipe in RECIPES}) == len(RECIPES)
    for recipe in RECIPES:
        assert recipe.targets
        assert recipe.weather.worse is (recipe.action is Action.WEATHER)
        assert bool(recipe.disturbance) is (recipe.action is Action.META)

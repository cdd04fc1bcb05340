"""The pause before a process that keeps ending is started again."""

from hypothesis import given
from hypothesis import strategies as some

from deploy.local.process import MAX_RESTART_DELAY_SECONDS, MIN_RESTART_DELAY_SECONDS, compute_restart_delay


def test_the_first_restart_comes_soon() -> None:
    assert compute_restart_delay(0) == MIN_RESTART_DELAY_SECONDS


@given(some.integers(min_value=0, max_value=10_000))
def test_pauses_grow_up_to_a_limit(quick_ends: int) -> None:
    assert compute_restart_delay(quick_ends) <= compute_restart_delay(quick_ends + 1) <= MAX_RESTART_DELAY_SECONDS

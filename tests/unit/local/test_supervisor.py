"""The pause before a process that keeps ending is started again."""

from hypothesis import given
from hypothesis import strategies as some

from deploy.local.supervisor import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, restart_pause


def test_the_first_restart_comes_soon() -> None:
    assert restart_pause(0) == FIRST_PAUSE_SECONDS


@given(some.integers(min_value=0, max_value=10_000))
def test_pauses_grow_up_to_a_limit(quick_ends: int) -> None:
    assert restart_pause(quick_ends) <= restart_pause(quick_ends + 1) <= LONGEST_PAUSE_SECONDS

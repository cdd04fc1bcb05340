"""The outbox: what waits is soon sent again."""

from hypothesis import given
from hypothesis import strategies as st

from services.newsroom.domain.outbox import MAX_RETRY_DELAY_SECONDS, compute_next_try
from tests.factories.editors import NOON


@given(st.integers(0, 1_000), st.floats(0, 1e6))
def test_the_next_try_is_soon_but_not_at_once(tries: int, retry_after: float) -> None:
    wait = (compute_next_try(NOON, tries, retry_after) - NOON).total_seconds()
    assert 1 <= wait <= MAX_RETRY_DELAY_SECONDS
    assert wait >= min(retry_after, MAX_RETRY_DELAY_SECONDS) - 1e-5

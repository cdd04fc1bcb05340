"""How a process runs: what the collector is told before the work begins."""

import gc
from collections.abc import Iterator

import pytest

from shared.runtime.process import OBJECTS_BETWEEN_COLLECTIONS, Stop, run


@pytest.fixture(autouse=True)
def collector_as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_what_is_there_at_the_start_is_not_collected_over_and_over() -> None:
    seen = []

    async def main(_: Stop) -> None:
        seen.append((gc.get_freeze_count(), gc.get_threshold()[0]))

    run(main, drain_seconds=1)
    [(frozen, threshold)] = seen
    assert frozen > 10_000
    assert threshold == OBJECTS_BETWEEN_COLLECTIONS

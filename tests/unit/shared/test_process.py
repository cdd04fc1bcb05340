"""How a process runs: what the collector is told before the work begins, and what is waited for."""

import asyncio
import gc
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from shared.outcome import DependencyAway
from shared.runtime import process
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


def test_a_dependency_that_goes_away_is_waited_for_in_whatever_task_it_was_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "AGAIN_SECONDS", 0.0)
    starts: list[Stop] = []

    async def main(stop: Stop) -> None:
        starts.append(stop)
        if len(starts) == 1:
            raise DependencyAway("the broker")
        if len(starts) == 2:
            async with asyncio.TaskGroup(), asyncio.TaskGroup():
                raise DependencyAway("the broker")

    run(main, drain_seconds=1)
    assert len(starts) == 3


def test_a_bug_beside_a_dependency_that_goes_away_ends_the_process() -> None:
    async def main(_: Stop) -> None:
        raise ExceptionGroup("both", [DependencyAway("the broker"), ValueError("a bug")])

    with capture_logs() as logs, pytest.raises(SystemExit):
        run(main, drain_seconds=1)
    assert logs[-1]["causes"] == ["ValueError: a bug"]

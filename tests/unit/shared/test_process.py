"""Run of a process: garbage collection, waiting for dependencies, and readiness."""

import asyncio
import gc
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from shared.notices.configuration import ConfigurationError
from shared.outcome import DependencyUnavailable
from shared.runtime import process
from shared.runtime.probes import Readiness
from shared.runtime.process import GC_THRESHOLD, StopRequest, run
from shared.runtime.settings import EXIT_SETTINGS


@pytest.fixture(autouse=True)
def collector_as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_what_is_there_at_the_start_is_not_collected_over_and_over() -> None:
    seen = []

    async def main(_: StopRequest) -> None:
        seen.append((gc.get_freeze_count(), gc.get_threshold()[0]))

    run(main, drain_seconds=1)
    [(frozen, threshold)] = seen
    assert frozen > 10_000
    assert threshold == GC_THRESHOLD


def test_a_dependency_that_goes_away_is_waited_for_in_whatever_task_it_was_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "RETRY_DELAY_SECONDS", 0.0)
    starts: list[StopRequest] = []

    async def main(stop: StopRequest) -> None:
        starts.append(stop)
        if len(starts) == 1:
            raise DependencyUnavailable("the broker")
        if len(starts) == 2:
            async with asyncio.TaskGroup(), asyncio.TaskGroup():
                raise DependencyUnavailable("the broker")

    run(main, drain_seconds=1)
    assert len(starts) == 3


def test_a_file_of_the_county_that_is_wrong_ends_the_process_as_wrong_settings_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def main(_: StopRequest) -> None:
        raise ConfigurationError("newsroom.toml: unknown topics wetter")

    with pytest.raises(SystemExit) as ended:
        run(main, drain_seconds=1)
    assert ended.value.code == EXIT_SETTINGS
    assert capsys.readouterr().err == "Settings are missing or wrong:\n  newsroom.toml: unknown topics wetter\n"


def test_a_bug_beside_a_dependency_that_goes_away_ends_the_process() -> None:
    async def main(_: StopRequest) -> None:
        raise ExceptionGroup("both", [DependencyUnavailable("the broker"), ValueError("a bug")])

    with capture_logs() as logs, pytest.raises(SystemExit):
        run(main, drain_seconds=1)
    assert logs[-1]["causes"] == ["ValueError: a bug"]


async def test_checks_may_be_added_while_somebody_asks() -> None:
    async def passes_and_adds() -> bool:
        readiness.add({"later": fails})
        return True

    async def fails() -> bool:
        return False

    readiness = Readiness({"first": passes_and_adds})
    assert await readiness.list_failures() == []
    assert await readiness.list_failures() == ["later"]

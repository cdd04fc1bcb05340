"""Log messages of the expander, and its recovery when a claim or a lane fails."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import cast

from structlog.testing import capture_logs
from structlog.typing import EventDict

from services.subscriptions.domain.publication import PublicationRefused
from services.subscriptions.handlers.expansion import BroadcastExpander
from services.subscriptions.ports import BroadcastRepository, EventPublisher
from shared.database.pool import DatabaseUnavailable
from shared.outcome import InvalidDataError
from shared.runtime.background import run_in_background
from shared.runtime.clock import system_clock


class FailingBroadcastRepository:
    """Raises one error with each claim, then has no work; `again` makes the expander claim at once."""

    def __init__(self, failures: Sequence[Exception], again: Callable[[], None]) -> None:
        self._failures, self._again = list(failures), again
        self.done = asyncio.Event()

    @asynccontextmanager
    async def claim(self) -> AsyncIterator[None]:
        if not self._failures:
            self.done.set()
            yield None
            return
        self._again()
        raise self._failures.pop(0)


async def expand(*failures: Exception) -> list[EventDict]:
    """Return the log of an expander that comes through these failures."""
    work = asyncio.Event()
    repository = FailingBroadcastRepository(failures, work.set)
    expander = BroadcastExpander(
        broadcasts=cast("BroadcastRepository", repository),
        publisher=cast("EventPublisher", None),
        clock=system_clock,
        work_available=work,
        count=lambda _: None,
    )
    with capture_logs() as lines:
        async with asyncio.timeout(10), run_in_background(expander.run()):
            await repository.done.wait()
    return [dict(line) for line in lines]


async def test_a_bug_in_one_broadcast_is_logged_and_ends_nothing() -> None:
    [line] = await expand(InvalidDataError("database: DataError"))
    assert (line["event"], line["log_level"], line["exc_info"]) == ("expansion_failed", "error", True)


async def test_the_first_failure_of_a_stretch_is_a_warning() -> None:
    away = DatabaseUnavailable("database: ConnectionDoesNotExistError")
    lines = await expand(away, away)
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("expansion_waits", "warning"),
        ("expansion_waits", "debug"),
    ]


async def test_a_full_lane_is_none_and_hides_none() -> None:
    lines = await expand(PublicationRefused("dispatch/bulk is full"), DatabaseUnavailable("database: OSError"))
    assert [line["log_level"] for line in lines] == ["debug", "warning"]

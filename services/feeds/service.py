"""Polling service: one loop per origin until a stop is requested."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import structlog
from prometheus_client import CollectorRegistry

from services.feeds.metrics import Metrics
from services.feeds.polling import FOLDER, STATE_DAMAGED, TOKEN_REFUSED, UNAVAILABLE, Poller, PollResult
from services.feeds.publisher import FeedPublisher
from services.feeds.settings import Settings
from services.feeds.wiring import FeedComponents
from shared.runtime.background import repeat, run_in_background, wait_until_set
from shared.runtime.notices_api import NoticesApiUnavailable, TokenRefused
from shared.runtime.probes import Check, Readiness, open_internal_port
from shared.runtime.process import StopRequest

RETRY_DELAY_SECONDS = 5.0
MAX_RETRY_DELAY_SECONDS = 60.0
MAX_PAUSE_SECONDS = 6 * 3600.0

_log = structlog.get_logger()


@dataclass
class PollLoop:
    """Poll loop of one origin until `stop`; a poll in progress is completed.

    `is_unavailable` is True while the publisher is unavailable.
    """

    poller: Poller
    metrics: Metrics
    stop: asyncio.Event
    failures: int = 0
    is_unavailable: bool = False

    async def run(self) -> None:
        while not self.stop.is_set():
            await wait_until_set(self.stop, await self._poll())

    async def _poll(self) -> float:
        """Poll once; return the seconds until the next poll."""
        try:
            poll = await self.poller.poll()
        except NoticesApiUnavailable as error:
            return self._report_unavailable(error)
        self.is_unavailable = False
        self._report(poll)
        return self._compute_pause(poll)

    def _report_unavailable(self, error: NoticesApiUnavailable) -> float:
        """Report that nothing can be published; return the seconds until the next poll, which tries it again."""
        self.is_unavailable = True
        is_refused = isinstance(error, TokenRefused)
        self.metrics.count_poll(PollResult(self.poller.name, TOKEN_REFUSED if is_refused else UNAVAILABLE))
        _log.warning("dependency_unavailable", name=self.poller.name, error=str(error))
        if is_refused:  # a token takes effect without a restart
            return MAX_RETRY_DELAY_SECONDS
        return min(max(RETRY_DELAY_SECONDS, error.retry_after), MAX_RETRY_DELAY_SECONDS)

    def _report(self, poll: PollResult) -> None:
        self.metrics.count_poll(poll)
        invalid = {subject: [problem.field for problem in problems] for subject, problems in poll.problems.items()}
        is_flood = poll.counts["not_kept"] or poll.counts["perhaps_known"]
        log = _log.warning if poll.failed or invalid or is_flood else _log.info
        log(
            "feed_polled",
            name=poll.name,
            result=poll.result,
            detail=poll.detail,
            entries=dict(poll.counts),
            wrong=invalid,
        )

    def _compute_pause(self, poll: PollResult) -> float:
        """Return the pause in seconds; it doubles with each failure of the website, up to MAX_PAUSE_SECONDS."""
        self.failures = self.failures + 1 if poll.failed and poll.result not in (FOLDER, STATE_DAMAGED) else 0
        interval = self.poller.interval_seconds
        return min(interval * 2.0 ** min(self.failures, 10), max(interval, MAX_PAUSE_SECONDS))


async def _check_available(loops: Sequence[PollLoop]) -> bool:
    return not any(loop.is_unavailable for loop in loops)


async def _read_answers(publisher: FeedPublisher, is_available: Check) -> None:
    if await is_available():  # else a poll has said so, and tries it again
        await publisher.read_answers()


async def serve(settings: Settings, parts: FeedComponents, stop: StopRequest) -> None:
    """Run until `stop` is requested, then complete the polls in progress."""
    registry = CollectorRegistry()
    metrics = Metrics(registry, {origin.name: origin.interval_seconds for origin in parts.file.origins})
    metrics.observe_refused(parts.folder.count_refused)
    async with parts.open_publisher() as publisher, parts.open_pollers(publisher) as pollers:
        loops = [PollLoop(poller, metrics, stop.requested) for poller in pollers]
        is_available = partial(_check_available, loops)
        readiness = Readiness({"publisher": is_available})
        probes = open_internal_port(settings, registry, readiness)
        answers = repeat(partial(_read_answers, publisher, is_available), RETRY_DELAY_SECONDS)
        async with probes, run_in_background(answers), asyncio.TaskGroup() as tasks:
            for loop in loops:
                tasks.create_task(loop.run())
            await stop.requested.wait()
            readiness.draining = True

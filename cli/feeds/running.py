"""Looking again and again, until the end is asked for."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog
from prometheus_client import CollectorRegistry

from cli.feeds.answers import Hearing
from cli.feeds.metrics import Metrics
from cli.feeds.polling import Poll, Poller
from cli.feeds.settings import Settings
from cli.feeds.wiring import Parts
from shared.outcome import DependencyAway
from shared.runtime.probes import Check, Readiness, internal_port
from shared.runtime.process import Stop

AGAIN_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 6 * 3600.0

_log = structlog.get_logger()


@dataclass
class Watch:
    """One origin: polled until `stop`; the poll in hand is finished. `door_away` says why it waits."""

    poller: Poller
    metrics: Metrics
    stop: asyncio.Event
    failures: int = 0
    door_away: bool = False

    async def run(self) -> None:
        while not self.stop.is_set():
            pause = await self._poll()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self.stop.wait()

    async def _poll(self) -> float:
        """Seconds until the next one."""
        try:
            poll = await self.poller.poll()
        except DependencyAway as error:
            self.door_away = True
            _log.warning("dependency_away", name=self.poller.name, error=str(error))
            return AGAIN_SECONDS
        self.door_away = False
        self._tell(poll)
        return self._pause(poll)

    def _tell(self, poll: Poll) -> None:
        self.metrics.count(poll)
        wrong = {subject: [one.field for one in problems] for subject, problems in poll.problems.items()}
        tell = _log.warning if poll.failed or wrong else _log.info
        tell(
            "feed_polled",
            name=poll.name,
            result=poll.result,
            detail=poll.detail,
            entries=dict(poll.counts),
            wrong=wrong,
        )

    def _pause(self, poll: Poll) -> float:
        """A website that fails is asked less and less often."""
        self.failures = self.failures + 1 if poll.failed else 0
        usual = self.poller.every_seconds
        return (
            usual if not self.failures else min(usual * 2 ** min(self.failures, 10), max(usual, LONGEST_PAUSE_SECONDS))
        )


@dataclass
class Ear:
    """Hears what became of what was published, until `stop`."""

    hearing: Hearing
    metrics: Metrics
    stop: asyncio.Event

    async def run(self) -> None:
        while not self.stop.is_set():
            await self._hear()
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_SECONDS):
                    await self.stop.wait()

    async def _hear(self) -> None:
        try:
            rejected = await self.hearing.hear()
        except DependencyAway as error:
            _log.warning("dependency_away", name="answers", error=str(error))
            return
        for name, number in rejected.items():
            self.metrics.rejected(name, number)


def _reachable(watches: Sequence[Watch]) -> Check:
    async def check() -> bool:
        return not any(watch.door_away for watch in watches)

    return check


async def serve(settings: Settings, parts: Parts, stop: Stop) -> None:
    """Run until `stop` is requested, then finish the polls in hand."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    async with parts.pollers() as pollers:
        watches = [Watch(poller, metrics, stop.requested) for poller in pollers]
        readiness = Readiness({"door": _reachable(watches)})
        host, port = settings.internal_host, settings.internal_port
        probes = internal_port(host=host, port=port, registry=registry, readiness=readiness)
        async with probes, asyncio.TaskGroup() as tasks:
            for watch in watches:
                tasks.create_task(watch.run())
            tasks.create_task(Ear(parts.hearing, metrics, stop.requested).run())
            await stop.requested.wait()
            readiness.draining = True

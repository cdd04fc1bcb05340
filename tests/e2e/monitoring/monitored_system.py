"""A system with newsroom and feeds, watched by a Prometheus with our rules."""

import os
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from deploy.local.environments import filter_inherited
from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.process import Command
from deploy.local.services import Service
from deploy.local.stack import Stack
from deploy.paths import ROOT
from tests.e2e.monitoring.editorial_system import EditorialSystem, run_editorial_system
from tests.e2e.monitoring.hurried_watch import HurriedWatch, run_hurried_watch
from tests.e2e.notices.harness import RATE
from tests.factories.feeds import FEEDS_FILE, build_item, build_rss
from tests.harness.commands import run_in_process
from tests.harness.website import Answer, FakeWebsite, build_text_answer, run_website
from tests.prometheus import PrometheusClient


@dataclass(frozen=True, kw_only=True)
class MonitoredSystem:
    """`feeds` is not among the processes of the stack."""

    editors: EditorialSystem
    watch: HurriedWatch
    feeds: Service
    website: FakeWebsite
    _citizens: Iterator[int] = field(default_factory=count)

    @property
    def stack(self) -> Stack:
        return self.editors.stack

    @property
    def prometheus(self) -> PrometheusClient:
        return self.watch.prometheus

    @asynccontextmanager
    async def stop(self, process: str) -> AsyncIterator[None]:
        """Stopped meanwhile."""
        await self.stack.supervisor.stop_one(process)
        try:
            yield
        finally:
            await self.stack.supervisor.start_one(process)

    async def restart_feeds(self) -> None:
        """With their file as it is now."""
        await self.feeds.stop()
        await self.feeds.start()

    @asynccontextmanager
    async def run_feeds_with(self, **settings: str) -> AsyncIterator[None]:
        """Other settings meanwhile."""
        command = self.feeds.command
        other = Service(replace(command, environment={**command.environment, **settings}), self.feeds.ready_url)
        await self.feeds.stop()
        try:
            await other.start()
            yield
        finally:
            await other.stop()
            await self.feeds.start()

    @asynccontextmanager
    async def set_faults(self, faults: Mapping[str, object]) -> AsyncIterator[None]:
        await self.editors.simulator.set_faults(faults)
        try:
            yield
        finally:
            await self.editors.simulator.set_faults({})

    async def let_somebody_write(self, text: str) -> None:
        """Each time another citizen, as nobody is answered for ever."""
        citizens = [each["id"] for each in await self.editors.simulator.list_citizens()]
        await self.editors.simulator.send_text([citizens[next(self._citizens)]], text, per_second=10)

    async def knock(self) -> None:
        """Ask the public ports without a credential; who does so often is told to slow down."""
        async with aiohttp.ClientSession() as stranger:
            for url in (f"{self.stack.notices_api_url}/notices", f"{self.stack.ingress_url}/webhook"):
                async with stranger.post(url, json={}) as answer:
                    assert answer.status in {401, 429}
            async with stranger.get(f"{self.stack.newsroom_url}/anmelden") as page:
                assert page.status == 200

    async def run_kreisfunk(self, *arguments: str) -> str:
        """Run a command of a runbook, which must succeed."""
        ended = await run_in_process(*arguments, "--stack", str(self.stack.folder), environment={})
        assert ended.status == 0, ended.everything
        return ended.output


@asynccontextmanager
async def run_monitored_system(folder: Path, rate: int = RATE) -> AsyncIterator[MonitoredSystem]:
    async with AsyncExitStack() as ends:
        editors = await ends.enter_async_context(run_editorial_system(folder / "system", rate))
        website = await ends.enter_async_context(run_website())
        website.pages["/presse"] = build_press_feed("Vom Landkreis")
        port = ends.enter_context(reserve_ports(1))[0]
        feeds = _build_feeds(editors.stack, website, folder, port)
        await feeds.start()
        ends.push_async_callback(feeds.stop)
        targets = {**list_targets(editors.stack), "feeds": [f"{LOOPBACK}:{port}"]}
        watch = await ends.enter_async_context(run_hurried_watch(folder / "prometheus", targets))
        yield MonitoredSystem(editors=editors, watch=watch, feeds=feeds, website=website)


def build_press_feed(*titles: str) -> Answer:
    return build_text_answer(build_rss([build_item(number, title=title) for number, title in enumerate(titles)]))


def _build_feeds(stack: Stack, website: FakeWebsite, folder: Path, port: int) -> Service:
    file = folder / "feeds.toml"
    file.write_text((FEEDS_FILE + 'every = "1m"\n').format(url=website.url))
    environment = {
        **filter_inherited(os.environ),
        **stack.feeds,
        "KREISFUNK_FEEDS_FILE": str(file),
        "KREISFUNK_FEEDS_FOLDER": str(folder / "feeds"),
        "KREISFUNK_INTERNAL_PORT": str(port),
    }
    command = Command(
        name="feeds",
        arguments=(sys.executable, "-m", "services.feeds"),
        log=folder / "feeds.log",
        environment=environment,
        folder=ROOT,
    )
    return Service(command, f"http://{LOOPBACK}:{port}/readyz")


def list_targets(stack: Stack) -> Mapping[str, Sequence[str]]:
    """Return where each job of ours finds the processes."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, url in stack.metrics_urls.items():
        found[name.rpartition("-")[0] or name].append(urlsplit(url).netloc)
    return {**found, "rabbitmq-queues": found["rabbitmq"], "simulator": [urlsplit(stack.simulator_url).netloc]}

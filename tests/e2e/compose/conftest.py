"""One stack for all tests of this folder, from nothing to nothing."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from cli.progress import wait_for
from simulator.client import AcceptedMessage, SimulatorClient
from tests.e2e.compose.engine import ComposeProject, use_project
from tests.prometheus import PrometheusClient

# Each needs a container engine, and runs only if it is asked for.
ASKED_BY = {"test_failover.py": "KREISFUNK_TEST_CLUSTER", "test_update.py": "KREISFUNK_TEST_UPDATE_FROM"}
TESTS = [file.name for file in Path(__file__).parent.glob("test_*.py")]
collect_ignore = [name for name in TESTS if not os.environ.get(ASKED_BY.get(name, "KREISFUNK_TEST_COMPOSE"))]

DISPATCHERS = 3
CITIZENS = 50
FIRST, SECOND = "Vollsperrung L 149", "Sperrung K 9 aufgehoben"
PATIENCE = 60.0
TARGETS = DISPATCHERS + 7  # ingress, notices, subscriptions, newsroom, simulator, and the broker with its queues
ENDED = "select count(*) from dispatcher.delivery where state in ('delivered', 'read')"


@dataclass(frozen=True)
class MainUseCaseResult:
    """Messages that the simulator accepted during the main use case, and who left in the middle."""

    citizens: list[int]
    left: int
    outbound: list[AcceptedMessage]

    def list_receivers(self, headline: str) -> list[int]:
        return [message.citizen for message in self.outbound if headline in message.text]


@pytest.fixture(scope="session")
async def compose() -> AsyncIterator[ComposeProject]:
    async with use_project("smoke", {"DISPATCHERS": str(DISPATCHERS)}) as stack:
        await stack.run("--profile", "simulator", "up", "--build", "--wait")
        await stack.run("up", "--no-recreate", "--wait", "prometheus")
        yield stack


@pytest.fixture(scope="session")
async def simulator(compose: ComposeProject) -> AsyncIterator[SimulatorClient]:
    async with compose.open_simulator() as opened:
        yield opened


@pytest.fixture(scope="session")
async def prometheus(compose: ComposeProject) -> AsyncIterator[PrometheusClient]:
    """A server that has seen every process at least once."""
    async with aiohttp.ClientSession() as session:
        opened = PrometheusClient(session, await compose.find_url("prometheus", 9090))
        await wait_for("scraped", TARGETS, lambda: opened.query_number("count(up == 1)"), patience=PATIENCE)
        yield opened


@pytest.fixture(scope="session")
async def played(
    compose: ComposeProject, simulator: SimulatorClient, prometheus: PrometheusClient
) -> MainUseCaseResult:
    """Citizens subscribe, a notice goes out, one leaves, another notice goes out."""
    accepted = simulator.count_accepted
    citizens = await simulator.add_citizens(CITIZENS, bsuid_only=5)
    await simulator.send_text(citizens, "Start", per_second=100)
    await wait_for("welcomed", CITIZENS, accepted, patience=PATIENCE)
    await compose.publish(FIRST)
    await wait_for("first notice", 2 * CITIZENS, accepted, patience=PATIENCE)
    await simulator.send_text(citizens[:1], "Stop", per_second=100)
    await wait_for("stop confirmed", 2 * CITIZENS + 1, accepted, patience=PATIENCE)
    await compose.publish(SECOND)
    await wait_for("all delivered", 3 * CITIZENS, lambda: compose.count(ENDED), patience=PATIENCE)
    return MainUseCaseResult(citizens, citizens[0], await simulator.fetch_outbound())

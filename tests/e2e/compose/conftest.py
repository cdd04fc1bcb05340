"""One stack for all tests of this folder, from nothing to nothing."""

import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest

from cli.progress import wait_for
from simulator.client import AcceptedMessage, SimulatorClient, open_simulator_client
from tests.e2e.compose.engine import ComposeProject, run_docker
from tests.prometheus import PrometheusClient

collect_ignore_glob = [] if os.environ.get("KREISFUNK_TEST_COMPOSE") == "1" else ["test_*.py"]

DISPATCHERS = 3
CITIZENS = 50
FIRST, SECOND = "Vollsperrung L 149", "Sperrung K 9 aufgehoben"
PATIENCE = 60.0
TARGETS = DISPATCHERS + 7  # ingress, notices, subscriptions, newsroom, simulator, and the broker with its queues
ENDED = "select count(*) from dispatcher.delivery where state in ('delivered', 'read')"


@dataclass(frozen=True)
class MainJobResult:
    """What the simulator has accepted by the end of the main job, and who left in the middle."""

    citizens: list[int]
    left: int
    outbound: list[AcceptedMessage]

    def list_receivers(self, headline: str) -> list[int]:
        return [message.citizen for message in self.outbound if headline in message.text]


@pytest.fixture(scope="session")
async def compose() -> AsyncIterator[ComposeProject]:
    stack = ComposeProject(f"kreisfunk-smoke-{secrets.token_hex(4)}", {"DISPATCHERS": str(DISPATCHERS)})
    try:
        await stack.run("--profile", "simulator", "up", "--build", "--wait")
        await stack.run("up", "--no-recreate", "--wait", "prometheus")
        yield stack
    finally:
        await stack.run("--profile", "*", "down", "--volumes", "--rmi", "local", "--timeout", "30")
        await run_docker("image", "rm", "--force", stack.image)


@pytest.fixture(scope="session")
async def simulator(compose: ComposeProject) -> AsyncIterator[SimulatorClient]:
    token = await compose.execute("simulator", "cat", "/secrets/simulator/simulator_control_token")
    async with open_simulator_client(await compose.find_url("simulator", 8090), token) as opened:
        yield opened


@pytest.fixture(scope="session")
async def prometheus(compose: ComposeProject) -> AsyncIterator[PrometheusClient]:
    """A server that has seen every process at least once."""
    async with aiohttp.ClientSession() as session:
        opened = PrometheusClient(session, await compose.find_url("prometheus", 9090))
        await wait_for("scraped", TARGETS, lambda: opened.query_number("count(up == 1)"), patience=PATIENCE)
        yield opened


@pytest.fixture(scope="session")
async def played(compose: ComposeProject, simulator: SimulatorClient, prometheus: PrometheusClient) -> MainJobResult:
    """Citizens subscribe, a notice goes out, one leaves, another notice goes out."""

    async def accepted() -> int:
        return int((await simulator.fetch_account())["accepted"])

    citizens = await simulator.add_citizens(CITIZENS, bsuid_only=5)
    await simulator.send_text(citizens, "Start", per_second=100)
    await wait_for("welcomed", CITIZENS, accepted, patience=PATIENCE)
    await compose.publish(FIRST)
    await wait_for("first notice", 2 * CITIZENS, accepted, patience=PATIENCE)
    await simulator.send_text(citizens[:1], "Stop", per_second=100)
    await wait_for("stop confirmed", 2 * CITIZENS + 1, accepted, patience=PATIENCE)
    await compose.publish(SECOND)
    await wait_for("all delivered", 3 * CITIZENS, lambda: compose.count(ENDED), patience=PATIENCE)
    return MainJobResult(citizens, citizens[0], await simulator.fetch_outbound())

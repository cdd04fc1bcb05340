"""The file for a cluster, started as its first lines say; the primary and a broker die during a broadcast."""

import pytest

from cli.progress import wait_for
from tests.e2e.compose.engine import ComposeProject, use_project

CITIZENS, RATE = 300, 20
HEADLINE = "Vollsperrung L 149"
PATIENCE = 180.0
DATABASES = ("postgres", "postgres-2", "postgres-3")
UNDELIVERED = "select count(*) from dispatcher.delivery where state not in ('delivered', 'read')"
SYNCHRONOUS = "select count(*) from pg_stat_replication where sync_state in ('quorum', 'sync')"

pytestmark = pytest.mark.timeout(1800)


async def find_primary(compose: ComposeProject) -> str:
    for name in DATABASES:
        if await compose.count("select pg_is_in_recovery()::int", name) == 0:
            return name
    raise AssertionError("there is no primary")


async def test_a_broadcast_survives_the_loss_of_the_primary_and_of_a_broker() -> None:
    settings = {
        "COMPOSE_FILE": "docker-compose.yml:deploy/compose/cluster.yml",
        "DISPATCHERS": "2",
        "KREISFUNK_MESSAGES_PER_SECOND": str(RATE),
    }
    async with use_project("cluster", settings) as compose:
        await compose.run("--profile", "simulator", "up", "--build", "--wait")
        await play(compose)


async def play(compose: ComposeProject) -> None:
    """Kill both servers while a broadcast is being sent, look at every phone, and bring the servers back."""
    async with compose.open_simulator() as simulator:
        accepted = simulator.count_accepted
        citizens = await simulator.add_citizens(CITIZENS, bsuid_only=20)
        await simulator.send_text(citizens, "Start", per_second=50)
        await wait_for("welcomed", CITIZENS, accepted, patience=PATIENCE)
        primary = await find_primary(compose)
        await compose.publish(HEADLINE)
        await wait_for("first messages", CITIZENS + RATE, accepted, patience=PATIENCE)
        await compose.run("kill", primary, "rabbitmq-2")
        assert await accepted() < 2 * CITIZENS, "the broadcast was over before the servers were killed"
        await wait_for("all messages", 2 * CITIZENS, accepted, patience=PATIENCE)
        outbound = await simulator.fetch_outbound()
        assert sorted(message.citizen for message in outbound if HEADLINE in message.text) == sorted(citizens)
        assert len({message.delivery for message in outbound}) == len(outbound) == 2 * CITIZENS

        await compose.run("start", primary, "rabbitmq-2")
        await compose.run("--profile", "simulator", "up", "--wait")
        promoted = await find_primary(compose)
        assert promoted != primary

        async def count_delivered() -> int:
            return 2 * CITIZENS - await compose.count(UNDELIVERED, promoted)

        await wait_for("delivered", 2 * CITIZENS, count_delivered, patience=PATIENCE)
        await wait_for("standbys", 2, lambda: compose.count(SYNCHRONOUS, promoted), patience=PATIENCE)
        assert " 0 problems" in await compose.run("run", "--rm", "doctor")

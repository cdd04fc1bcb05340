"""An update during a broadcast, with the images of two commits and the guide's command."""

import asyncio
import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from cli.progress import wait_for
from tests.e2e.compose.engine import ROOT, ComposeProject, run_docker, use_project

CITIZENS, LEAVING, RATE = 500, 20, 20
HEADLINE = "Vollsperrung L 149"
PATIENCE = 120.0
# A machine that is too busy to let a service finish its work in time leaves outcomes unknown.
GRACE_SECONDS = 20
RUNNING = ("ingress", "notices", "subscriptions", "dispatcher", "newsroom")
SETTLED = (
    "select count(*) from dispatcher.delivery where state not in ('waiting', 'claimed', 'accepted', 'sent', 'unknown')"
)

pytestmark = pytest.mark.timeout(1800)


async def check_out(commit: str, folder: Path) -> None:
    """Put the files of a commit in the place of what is in the folder."""
    process = await asyncio.create_subprocess_exec(
        "git", "archive", "--format=tar", commit, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    archive, _ = await process.communicate()
    assert process.returncode == 0, f"no such commit: {commit}"
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")


async def find_images(compose: ComposeProject) -> dict[str, str]:
    """Return the image of each of our services."""
    found = {}
    for service in RUNNING:
        container = (await compose.run("ps", "-q", service)).split()[0]
        found[service] = (await run_docker("inspect", "--format", "{{.Image}}", container)).strip()
    return found


async def test_an_update_during_a_broadcast_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "kreisfunk"
    settings = {
        "DISPATCHERS": "2",
        "KREISFUNK_MESSAGES_PER_SECOND": str(RATE),
        "KREISFUNK_UNKNOWN_GRACE_SECONDS": str(GRACE_SECONDS),
    }
    async with use_project("update", settings, folder) as compose:
        await check_out(os.environ["KREISFUNK_TEST_UPDATE_FROM"], folder)
        await compose.run("--profile", "simulator", "up", "--build", "--wait")
        old = await find_images(compose)
        await check_out("HEAD", folder)
        await compose.run("build")
        await play(compose)
        new = await find_images(compose)
        assert all(old[service] != new[service] for service in RUNNING)
        assert " 0 problems" in await compose.run("run", "--rm", "doctor")


async def play(compose: ComposeProject) -> None:
    """Publish, update while it is being sent and some leave, and look at every phone."""
    async with compose.open_simulator() as simulator:
        accepted = simulator.count_accepted
        citizens = await simulator.add_citizens(CITIZENS, bsuid_only=20)
        await simulator.send_text(citizens, "Start", per_second=100)
        await wait_for("welcomed", CITIZENS, accepted, patience=PATIENCE)
        await compose.publish(HEADLINE)
        await wait_for("first messages", CITIZENS + RATE, accepted, patience=PATIENCE)
        updating = asyncio.create_task(compose.run("up", "--wait"))
        leaving = citizens[-LEAVING:]
        await simulator.send_text(leaving, "Stop", per_second=2)
        await updating
        during = await accepted()
        assert during < 2 * CITIZENS + LEAVING, "the broadcast was over before the update was"
        # Whoever stopped before the message came is recorded as such.
        await wait_for("settled", 2 * CITIZENS + LEAVING, lambda: compose.count(SETTLED), patience=PATIENCE)
        outbound = await simulator.fetch_outbound()
        received = [message.citizen for message in outbound if HEADLINE in message.text]
        assert len(received) == len(set(received))
        assert set(citizens) - set(received) <= set(leaving)
        assert len({message.delivery for message in outbound}) == len(outbound)
        answered = [message.citizen for message in outbound if "abgemeldet" in message.text]
        assert sorted(answered) == leaving

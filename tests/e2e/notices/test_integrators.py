"""The programs in examples/ and every command of docs/integration.md, in order, in the whole system."""

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession

from cli.publish.events import build_event
from deploy.local.ports import LOOPBACK
from deploy.paths import ROOT
from deploy.secrets import NOTICES_API_TOKEN
from shared.contracts.notices import NoticePublished
from shared.outcome import DependencyUnavailable
from tests.amqp_system import PRESS_SOURCE, build_amqp_system
from tests.e2e.notices.harness import CITIZENS, GUIDE, SteeringHarness
from tests.e2e.notices.publish_paths import read_secret
from tests.harness.commands import run_in_process
from tests.proxy import UNDISTURBED_NETWORK, NetworkConditions, run_proxy
from tests.servers import build_login_url, fetch_until, wait_for

pytestmark = pytest.mark.timeout(300)

RATE = 30.0
HTTP, AMQP = ROOT / "examples" / "http", ROOT / "examples" / "amqp"
BLOCK = re.compile(r"^```sh\n(.+?)^```", re.DOTALL | re.MULTILINE)
SYSTEM = "baustellen-software"
EVENT = re.compile(r'"event": ?"(/events/[0-9a-f]{32})"')
ACCEPTED = re.compile(r"^de\.kreisfunk\.notice\.accepted\.v1 (.+)$", re.MULTILINE)

OVER_HTTP = {"curl": ["sh", str(HTTP / "publish.sh")], "python": [sys.executable, str(HTTP / "publish.py")]}
OVER_AMQP = {
    "pika": [sys.executable, str(AMQP / "publish_pika.py")],
    "aio-pika": [sys.executable, str(AMQP / "publish_aio_pika.py")],
}
IF_INSTALLED = {"java": ["java", str(HTTP / "Publish.java")], "php": ["php", str(HTTP / "publish.php")]}
ALL_OVER_HTTP = {**OVER_HTTP, **{name: command for name, command in IF_INSTALLED.items() if shutil.which(name)}}


@dataclass(frozen=True, kw_only=True)
class Run:
    """Exit status and output of a program."""

    status: int
    output: str


@pytest.fixture(scope="module", autouse=True)
async def curl() -> None:
    """What the guide's commands need and a bare machine has not; as root it is installed."""
    if shutil.which("curl"):
        return
    apt = "apt-get -qq -o DPkg::Lock::Timeout=120"
    script = f"{apt} update && {apt} install -y --no-install-recommends curl"
    ended = await run(["sh", "-c", script], ROOT, {"DEBIAN_FRONTEND": "noninteractive"})
    assert ended.status == 0, f"install curl (Debian: apt-get install curl) and try again: {ended.output}"


@pytest.fixture
def given(system: SteeringHarness) -> dict[str, str]:
    """What the operator hands over, as the programs want it."""
    password = read_secret(system, "pressestelle/kreisfunk_broker_password")
    return {
        "KREISFUNK_URL": system.stack.notices_api_url,
        "KREISFUNK_TOKEN": read_secret(system, NOTICES_API_TOKEN),
        "BROKER_URL": build_login_url(system.stack.broker_url, "pressestelle", password),
    }


async def run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Run:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return Run(status=process.returncode, output=output.decode())


async def audience(system: SteeringHarness, broadcast: str) -> int:
    await system.wait_until_settled(broadcast)
    return int((await system.show_broadcast(broadcast))["counts"]["audience"])


@pytest.mark.parametrize("name", ALL_OVER_HTTP)
async def test_a_program_publishes_over_http_and_tells_the_end_though_its_first_answer_and_a_stream_are_lost(
    system: SteeringHarness, given: Mapping[str, str], tmp_path: Path, name: str
) -> None:
    before = len(await system.accepted.fetch())
    port = urlsplit(system.stack.notices_api_url).port or 0
    async with run_proxy([port]) as proxy, system.send_slowly(RATE):
        proxy.set_conditions(NetworkConditions(swallow_answers=True))
        through_proxy = {**given, "KREISFUNK_URL": f"http://{LOOPBACK}:{proxy.port}"}
        running = asyncio.create_task(run([*ALL_OVER_HTTP[name], f"ueber-http-{name}"], tmp_path, through_proxy))
        await fetch_until(system.accepted.fetch, lambda found: len(found) > before + 10)
        proxy.set_conditions(UNDISTURBED_NETWORK)
        proxy.cut()
        await wait_for(lambda: proxy.connections > 0 or running.done())
        system.stack.supervisor.kill("notices-1")
        ended = await running
    assert ended.status == 0, ended.output
    last = json.loads(ended.output.splitlines()[-1])
    assert (last["state"], last["notice"]) == ("finished", f"ueber-http-{name}")
    assert await audience(system, last["broadcast"]) == CITIZENS


@pytest.mark.parametrize("name", ALL_OVER_HTTP)
async def test_a_program_says_why_it_was_refused(given: Mapping[str, str], tmp_path: Path, name: str) -> None:
    wrong = {**given, "KREISFUNK_TOKEN": given["KREISFUNK_TOKEN"][:-4] + "0000"}
    ended = await run(ALL_OVER_HTTP[name], tmp_path, wrong)
    assert ended.status == 1
    assert "A valid token is needed" in ended.output


async def test_what_is_calculated_anew_is_not_the_same_notice(given: Mapping[str, str], tmp_path: Path) -> None:
    """The same id with another time of expiry is another content."""
    command = [*OVER_AMQP["pika"], "zweimal"]
    assert (await run(command, tmp_path, given)).status == 0
    again = await run(command, tmp_path, given)
    assert again.status == 3
    assert '"field": "id"' in again.output


async def test_a_program_over_amqp_ends_without_an_answer(
    system: SteeringHarness, given: Mapping[str, str], tmp_path: Path
) -> None:
    """All at once, as each waits for half a minute."""
    await system.stack.supervisor.stop_one("subscriptions-1")
    ended = await asyncio.gather(*(run([*command, "ohne-antwort"], tmp_path, given) for command in OVER_AMQP.values()))
    await system.stack.supervisor.start_one("subscriptions-1")
    assert [one.status for one in ended] == [5] * len(OVER_AMQP), ended


def checkout(folder: Path, stack: Path) -> Path:
    """As the guide wants it: the checkout with a stack that `make up` started."""
    (folder / ".local").mkdir()
    for name, target in ((".venv", Path(sys.prefix)), ("examples", HTTP.parent), (".local/up", stack)):
        (folder / name).symlink_to(target)
    return folder


async def final(client: ClientSession, event: str) -> dict[str, Any]:
    async def fetch() -> dict[str, Any]:
        async with client.get(event) as response:
            known: dict[str, Any] = await response.json()
        return known

    return await fetch_until(fetch, lambda known: known["state"] in ("finished", "done", "rejected", "cancelled"))


async def test_the_guide_from_its_first_command_to_its_last(system: SteeringHarness, tmp_path: Path) -> None:
    blocks = BLOCK.findall(GUIDE.read_text())
    script = "\n".join(["set -euo pipefail", *blocks, 'echo "token: $KREISFUNK_TOKEN"'])
    known = {"COLUMNS": "200", "KREISFUNK_COUNTY_FILE": str(system.county)}
    async with system.send_slowly(RATE):
        ended = await run(["bash", "-c", script], checkout(tmp_path, system.stack.folder), known)
    assert ended.status == 0, ended.output
    assert len(blocks) >= 10
    assert "event: finished" in ended.output
    over_amqp = [json.loads(said)["broadcast"] for said in ACCEPTED.findall(ended.output)]
    assert [await audience(system, broadcast) for broadcast in over_amqp] == [CITIZENS] * len(OVER_AMQP)
    headers = {"Authorization": f"Bearer {ended.output.split()[-1]}"}
    async with ClientSession(system.stack.notices_api_url, headers=headers) as client:
        became = [await final(client, event) for event in dict.fromkeys(EVENT.findall(ended.output))]
    assert {one["audience"] for one in became if one["state"] == "finished"} == {CITIZENS}
    assert [(one["action"], one["state"]) for one in became] == [
        ("published", "finished"),
        ("updated", "cancelled"),
        ("withdrawn", "done"),
        ("published", "finished"),
        ("published", "finished"),
        ("published", "finished"),
    ]


async def test_a_registered_system_sends_nothing_that_is_not_its_and_nothing_once_it_is_revoked(
    system: SteeringHarness,
) -> None:
    known = {"KREISFUNK_COUNTY_FILE": str(system.county)}

    async def say(*arguments: str) -> str:
        ended = await run_in_process(*arguments, "--stack", str(system.stack.folder), environment=known)
        assert ended.status == 0, ended.everything
        return ended.output.strip()

    over_http = {
        "KREISFUNK_NOTICES_API_URL": system.stack.notices_api_url,
        "KREISFUNK_NOTICES_API_TOKEN": await say("tokens", "create", SYSTEM),
    }
    notice = ("publish", "--topic", "strassensperrungen", "--headline", "K 9", "--text", "Nie.")
    for wrong in (("--topic", "stellen"), ("--source", PRESS_SOURCE)):
        ended = await run_in_process(*notice, *wrong, environment={**known, **over_http})
        assert (ended.status, f"{wrong[0].removeprefix('--')}:" in ended.output) == (3, True), ended.everything
    login = {"KREISFUNK_BROKER_URL": await say("systems", "login", SYSTEM, "--replace", "--url")}
    publisher, now = build_amqp_system(login), datetime.now(UTC)
    content = NoticePublished(topic="strassensperrungen", headline="K 9", text="Nie.")
    await publisher.publish(build_event(content, "nie-1", publisher.source, now, now + timedelta(hours=1)))
    assert await say("systems", "revoke", SYSTEM) == f"revoked {SYSTEM}"
    with pytest.raises(DependencyUnavailable):
        await publisher.publish(build_event(content, "nie-2", publisher.source, now, now + timedelta(hours=1)))
    assert await system.accepted.find("Nie.") == []

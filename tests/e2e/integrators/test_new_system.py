"""A system that nobody knew before: registered in the county's file, let in by two commands, heard on the phones."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.paths import CONFIG
from tests.e2e.steering.harness import SteeringHarness, has_everybody_once, run_steering_harness
from tests.integration.cli.commands import REPOSITORY, CommandResult, run_in_process
from tests.servers import wait_for

pytestmark = pytest.mark.timeout(300)

SYSTEM, SOURCE = "baustellen-software", "/landkreis-osterholz/baustellen-software"
REGISTRATION = ("add", SYSTEM, "--source", SOURCE, "--topics", "baustellen,strassensperrungen")


class County:
    """A town whose county's file may be changed."""

    def __init__(self, town: SteeringHarness, file: Path) -> None:
        self.town = town
        self._file = file

    async def command(self, *arguments: str) -> CommandResult:
        environment = {"KREISFUNK_COUNTY_FILE": str(self._file)}
        return await run_in_process(*arguments, environment=environment)

    async def told(self, *arguments: str) -> str:
        """By a command for the running stack that must succeed."""
        ended = await self.command(*arguments, "--stack", str(self.town.stack.folder))
        assert ended.status == 0, ended.everything
        return ended.output.strip()

    def restart(self) -> None:
        """As whoever changes the file has to do."""
        for process in ("notices-1", "subscriptions-1"):
            self.town.stack.supervisor.kill(process)

    async def publish(self, text: str, *options: str, **access: str) -> CommandResult:
        notice = ("--topic", "strassensperrungen", "--headline", "K 9", "--text", text)
        environment = {"KREISFUNK_COUNTY_FILE": str(self._file), **access}
        return await run_in_process("publish", *notice, *options, environment=environment)

    async def until_everybody_got(self, text: str) -> None:
        async def everybody() -> bool:
            return has_everybody_once(await self.town.list_accepted(text))

        await wait_for(everybody)


@pytest.fixture(scope="module")
async def county(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[County]:
    file = tmp_path_factory.mktemp("county") / "county.toml"
    file.write_text((CONFIG / "county.toml").read_text())
    async with run_steering_harness(tmp_path_factory.mktemp("town"), county=file, rate=400) as town:
        yield County(town, file)


async def test_a_new_system_needs_its_registration_and_two_commands(county: County) -> None:
    assert (await county.command("systems", *REGISTRATION)).status == 0
    county.restart()
    token = await county.told("tokens", "create", SYSTEM)
    over_http = {"KREISFUNK_NOTICES_API_URL": county.town.stack.notices_api_url, "KREISFUNK_NOTICES_API_TOKEN": token}

    async def accepted() -> bool:
        return (await county.publish("Über HTTP.", "--notice", "n-1", "--check", **over_http)).status == 0

    await wait_for(accepted)
    assert (await county.publish("Über HTTP.", "--timeout", "30", **over_http)).status == 0
    over_amqp = {"KREISFUNK_BROKER_URL": await county.told("systems", "login", SYSTEM, "--url")}
    ended = await county.publish("Über AMQP.", "--timeout", "30", **over_amqp)
    assert ended.status == 0, ended.everything
    await county.until_everybody_got("Über HTTP.")
    await county.until_everybody_got("Über AMQP.")
    await refused_what_is_not_its(county, over_http, over_amqp)
    assert await example(over_amqp["KREISFUNK_BROKER_URL"]) == 0
    assert await county.told("systems", "revoke", SYSTEM) == f"revoked {SYSTEM}"
    assert (await county.publish("Nie.", **over_amqp)).status == 4


async def refused_what_is_not_its(county: County, *ways: dict[str, str]) -> None:
    for access in ways:
        for wrong in (("--topic", "stellen"), ("--source", "/landkreis-osterholz/pressestelle")):
            ended = await county.publish("Nie.", *wrong, **access)
            assert (ended.status, f"{wrong[0].removeprefix('--')}:" in ended.output) == (3, True), ended.everything
    assert await county.town.list_accepted("Nie.") == []


async def example(broker_url: str) -> int:
    """The program of the guide, with what the operator hands over."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(REPOSITORY / "examples" / "amqp" / "publish_pika.py"),
        env={"PATH": os.environ["PATH"], "BROKER_URL": broker_url, "KREISFUNK_SOURCE": SOURCE},
        stdout=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()

"""Registration of AMQP publishers, by the only tool that has the broker's administrator."""

import pytest

from tests.e2e.compose.engine import ComposeProject

pytestmark = pytest.mark.timeout(900)


async def systems(compose: ComposeProject, *arguments: str) -> str:
    return await compose.run("run", "--rm", "-T", "--no-deps", "systems", *arguments)


async def test_logins_of_registered_systems_are_listed_ended_and_made(compose: ComposeProject) -> None:
    before = {line.split()[0]: line.split()[-1] for line in (await systems(compose, "list")).splitlines()}
    assert (before["pressestelle"], before["feeds"]) == ("yes", "no")
    password = (await systems(compose, "login", "feeds")).strip()
    assert len(password) > 20
    assert password not in await systems(compose, "list")
    assert (await systems(compose, "revoke", "feeds")).strip() == "revoked feeds"

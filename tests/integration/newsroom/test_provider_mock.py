"""A login over an identity provider that somebody else has written, over their library, as a process of its own."""

import sys
from pathlib import Path

from aiohttp import ClientSession
from yarl import URL

from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.process import Child, Command
from tests.databases import FreshDatabase
from tests.harness.newsroom import run_newsroom
from tests.harness.processes import is_ok, run_child
from tests.harness.scripted_provider import build_settings
from tests.integration.newsroom.provider_logins import add_connected, begin, has_session


async def test_the_mock_of_others_lets_somebody_in(
    newsroom_broker: str, database: FreshDatabase, tmp_path: Path
) -> None:
    """A provider that somebody else has written, over their library."""
    with reserve_ports(1) as (port,):
        issuer = f"http://{LOOPBACK}:{port}"
        command = Command(
            name="oidc-provider-mock",
            arguments=(sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce"),
            log=tmp_path / "provider.log",
            environment={},
        )
        async with (
            ClientSession() as session,
            run_child(Child(command), lambda: is_ok(session, f"{issuer}/jwks")),
            run_newsroom(newsroom_broker, database, tmp_path, settings=build_settings(issuer)) as running,
            running.open_browser() as opened,
        ):
            account = await add_connected(running, issuer)
            sent = await begin(opened)
            form = {"sub": account.login}
            async with session.post(URL(sent, encoded=True), data=form, allow_redirects=False) as answer:
                back = URL(answer.headers["Location"], encoded=True)
            assert has_session(await opened.open(back.raw_path_qs))
            assert account.name in await opened.read("/profil")

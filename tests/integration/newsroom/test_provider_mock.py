"""A login over an identity provider that somebody else has written, over their library, as a process of its own."""

import sys
from pathlib import Path

from aiohttp import ClientError, ClientSession
from yarl import URL

from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.process import Child, Command, wait_until_ready
from tests.databases import FreshDatabase
from tests.harness.newsroom import run_newsroom
from tests.harness.scripted_provider import build_settings
from tests.integration.newsroom.provider_logins import add_connected, begin, has_session
from tests.servers import WAIT_TIMEOUT_SECONDS


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
        child = Child(command)
        await child.start()
        try:
            await wait_until_ready(child, lambda: is_answering(issuer), seconds=WAIT_TIMEOUT_SECONDS)
            settings = build_settings(issuer)
            async with run_newsroom(newsroom_broker, database, tmp_path, settings=settings) as running:
                account = await add_connected(running, issuer)
                async with running.open_browser() as opened, ClientSession() as session:
                    sent = await begin(opened)
                    form = {"sub": account.login}
                    async with session.post(URL(sent, encoded=True), data=form, allow_redirects=False) as answer:
                        back = URL(answer.headers["Location"], encoded=True)
                    assert has_session(await opened.open(back.raw_path_qs))
                    assert account.name in await opened.read("/profil")
        finally:
            await child.stop()


async def is_answering(issuer: str) -> bool:
    try:
        async with ClientSession() as session, session.get(f"{issuer}/jwks") as answer:
            return answer.status == 200
    except ClientError:
        return False

"""Without the broker nothing is promised; with it back everything goes on, in the same process."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deploy.local.rabbitmq import run_rabbitmq
from tests.contract_recorder.recorder import ContractRecorder, record_contracts
from tests.contract_recorder.tracing import trace_from_the_start
from tests.harness.ingress import run_ingress
from tests.harness.ingress_queues import open_queues
from tests.harness.service_login import service_login
from tests.integration.ingress.answers import is_accepted, measure_refusal
from tests.servers import EVERYTHING, Servers, Step, build_database_url, call_broker_api, wait_for

VHOST = "broker-away"


@dataclass(frozen=True)
class Broker:
    """One that may be stopped; `url` is the ingress's login."""

    url: str
    stop: Step
    start_again: Step
    tap: ContractRecorder

    @property
    def admin_url(self) -> str:
        """May do everything."""
        return self.tap.url

    async def start(self) -> None:
        await self.start_again()
        await self.tap.trace()


async def lasting_vhost(servers: Servers, name: str) -> str:
    """Not deleted: doing that to quorum queues that were restarted can take down the broker's dead-lettering
    for good (https://github.com/rabbitmq/rabbitmq-server/issues/16652). It goes with the broker."""
    await call_broker_api(servers, "PUT", f"vhosts/{name}")
    await call_broker_api(servers, "PUT", f"permissions/{name}/{urlsplit(servers.broker_url).username}", EVERYTHING)
    return build_database_url(servers.broker_url, name)


async def declare_queues(url: str) -> None:
    async with open_queues(url):
        pass


@pytest.fixture(scope="module")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Broker]:
    """One of our own: the session's would have to start again with the queues of all tests before."""
    folder = tmp_path_factory.mktemp("broker")
    trace_from_the_start(folder, VHOST)
    async with run_rabbitmq(folder, secrets.token_hex(16)) as own:
        servers = Servers(database_url="", broker_url=own.url, broker_api_url=own.api_url)
        url = await lasting_vhost(servers, VHOST)
        async with service_login(servers, url, "ingress") as login_url:
            await declare_queues(url)
            async with record_contracts(url, own.api_url) as tap:
                yield Broker(login_url, own.stop, own.start, tap)


@pytest.mark.alone
async def test_whoever_runs_starts_or_ends_while_the_broker_is_away_does_so_and_answers_503(
    broker: Broker, tmp_path: Path
) -> None:
    async with (
        run_ingress(broker.url, tmp_path / "running") as running,
        run_ingress(broker.url, tmp_path / "ending") as ending,
    ):
        assert await is_accepted(running)
        process = running.child.pid
        await broker.stop()
        try:
            assert await measure_refusal(running) == (503, "1", True)
            assert not await running.is_ready()
            assert await running.is_alive()
            await ending.child.stop()
            assert await ending.child.wait() == 0
            starting_context = run_ingress(broker.url, tmp_path / "starting", ready=False)
            starting = await starting_context.__aenter__()
            assert await measure_refusal(starting) == (503, "1", True)
            assert not await starting.is_ready()
        finally:
            await broker.start()

        for ingress in (running, starting):
            await wait_for(partial(is_accepted, ingress))
        await wait_for(running.is_ready)
        assert running.child.pid == process
        await starting_context.__aexit__(None, None, None)
        assert await starting.child.wait() == 0

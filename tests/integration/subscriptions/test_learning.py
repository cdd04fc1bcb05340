"""A replica that still learns what citizens mean says so, and its connections live meanwhile."""

import sys
import threading
from asyncio import create_task
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession

from deploy.local.ports import LOOPBACK, reserve_ports
from services.subscriptions import wiring
from services.subscriptions.domain.county import County
from services.subscriptions.settings import Settings
from shared.runtime.process import StopRequest
from shared.runtime.settings import read_settings
from tests.databases import FreshDatabase
from tests.factories.citizens import COUNTY
from tests.integration.subscriptions.conftest import ROLE
from tests.integration.subscriptions.service_process import BrokerHarness, build_environment, open_broker_harness
from tests.servers import Servers, wait_for


@pytest.fixture
async def broker(servers: Servers, vhost: str, tmp_path: Path) -> AsyncIterator[BrokerHarness]:
    async with open_broker_harness(servers, vhost, tmp_path) as broker:
        yield broker


@pytest.fixture
def learnt(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Learning lasts until this is set."""
    switching, event = sys.getswitchinterval(), threading.Event()

    def learn(_: County) -> None:
        event.wait(60)

    monkeypatch.setattr(wiring, "load_classifier", learn)
    yield event
    event.set()
    sys.setswitchinterval(switching)


async def test_the_probes_answer_while_it_learns(
    broker: BrokerHarness, database: FreshDatabase, learnt: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reserve_ports(1) as (port,):
        for name, value in build_environment(broker, database.build_role_url(ROLE), port).items():
            monkeypatch.setenv(name, value)
        stop = StopRequest(drain_seconds=20)
        serving = create_task(wiring.serve(read_settings(Settings), COUNTY, stop))
        async with ClientSession(f"http://{LOOPBACK}:{port}") as session:
            await wait_for(partial(says, session, "not ready: learning, queues\n"))
            learnt.set()
            await wait_for(partial(says, session, "ready\n"))
        stop.requested.set()
        await serving


async def says(session: ClientSession, text: str) -> bool:
    with suppress(ClientError):
        async with session.get("/readyz") as response:
            return await response.text() == text
    return False

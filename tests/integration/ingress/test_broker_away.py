"""Without the broker nothing is promised; with it back everything goes on, in the same process.

Whoever repeats the same request to the notices API publishes once.
"""

import secrets
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
import pytest

from deploy.local.rabbitmq import RabbitServer, run_rabbitmq
from shared.amqp import topology
from tests.contract_recorder.recorder import record_contracts
from tests.contract_recorder.tracing import trace_from_the_start
from tests.harness.ingress import run_ingress
from tests.harness.notices_api import Answer, NoticesApi, data, event, run_notices_api
from tests.integration.ingress.answers import is_accepted, measure_refusal
from tests.integration.notices.conftest import NoticeQueue
from tests.servers import fetch_until, wait_for


@pytest.fixture(scope="module")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RabbitServer]:
    """Our own: the session's broker would restart with the queues of all earlier tests."""
    folder = tmp_path_factory.mktemp("broker")
    trace_from_the_start(folder)
    async with run_rabbitmq(folder, secrets.token_hex(16)) as own:
        async with await aio_pika.connect(own.url) as connection:
            await topology.declare(await connection.channel())
        async with record_contracts(own.url, own.api_url):
            yield own


async def test_whoever_runs_starts_or_ends_while_the_broker_is_away_does_so_and_answers_503(
    broker: RabbitServer, tmp_path: Path
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


async def published(api: NoticesApi, content: dict[str, object]) -> Answer:
    """Return the answer to a request, repeated until it is not 503."""
    return await fetch_until(partial(api.publish, content), lambda answer: answer.status != 503)


async def test_a_broker_that_is_away_is_503_and_the_repeated_request_is_taken(
    broker: RabbitServer, tmp_path: Path
) -> None:
    """By a process that runs, and by one that is started meanwhile."""
    first, second = event(data=data()), event(data=data())
    async with run_notices_api(broker.url, tmp_path) as api:
        before = await api.publish(first)
        assert before.status == 202
        await broker.stop()
        try:
            refused = await api.publish(second)
            assert (refused.status, refused.fields) == (503, [])
            assert int(refused.headers["Retry-After"]) >= 1
            assert (await api.publish(event(data=data(text="")))).status == 422  # needs no broker
            assert (await api.publish(second, path="/notices/check")).status == 200
            assert (await api.ask("GET", before.headers["Location"])).status == 200
            assert (await api.ask("GET", f"/events/{'0' * 32}")).status == 503
            late_folder = tmp_path / "late"
            late_folder.mkdir()
            late_context = run_notices_api(broker.url, late_folder, ready=False)
            late = await late_context.__aenter__()
            assert (await late.publish(event(data=data()))).status == 503
        finally:
            await broker.start()
        assert (await published(late, event(data=data()))).status == 202
        await late_context.__aexit__(None, None, None)
        again = await published(api, second)
        assert again.status == 202
        await wait_for(lambda: _is_gone(api, f"/events/{'0' * 32}"))
        async with await aio_pika.connect(broker.url) as connection:
            found = await NoticeQueue(await connection.channel()).take()
    assert {content["id"] for content, _ in found} >= {first["id"], second["id"]}
    assert urlsplit(again.headers["Location"]).path == again.body["event"]


async def _is_gone(api: NoticesApi, path: str) -> bool:
    return (await api.ask("GET", path)).status == 404


async def test_a_killed_process_loses_nothing(broker: RabbitServer, tmp_path: Path) -> None:
    async with run_notices_api(broker.url, tmp_path) as api:
        answer = await api.publish(event(data=data()))
        api.child.kill()
        await api.child.wait()
    async with run_notices_api(broker.url, tmp_path) as api:
        told = await published_before(api, answer)
        assert {"state": "received", **answer.body}.items() <= told.items()


async def published_before(api: NoticesApi, answer: Answer) -> dict[str, object]:
    ask = partial(api.ask, "GET", answer.headers["Location"])
    found: dict[str, object] = (await fetch_until(ask, lambda told: told.status == 200)).body
    return found

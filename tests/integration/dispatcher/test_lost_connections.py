"""A dispatcher that alone has lost its broker, its database or answers of it leaves to the others what it cannot do."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import asyncpg
import pytest

from deploy.local.ports import LOOPBACK
from shared.amqp import topology
from shared.contracts.events import SubscriptionEnded
from shared.contracts.message import Lane
from shared.runtime.clock import system_clock
from tests.integration.dispatcher.endpoint_harness import ROLE, EndpointHarness, wait_until_moment
from tests.integration.dispatcher.fake_graph_api import GraphAnswer, SendRequest, build_error
from tests.integration.dispatcher.test_recipients import BROADCAST, BROADCAST_ROW
from tests.proxy import UNDISTURBED_NETWORK, NetworkConditions, replace_port, run_proxy_to
from tests.servers import wait_until_equal

_OUTSIDE = b"Z\x00\x00\x00\x05I"
_EXECUTE = b"E\x00\x00\x00\x09\x00"
_COMMIT = b"COMMIT"
_CHUNK = 65_536


class CommitLoser:
    """Passes everything on; while `losing`, what a commit or a single statement answers never comes back."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.losing = False
        self.lost = 0
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """The database's URL by this way."""
        return replace_port(self._url, self.port)

    def cut(self) -> None:
        """End all connections: what was lost stays lost."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(LOOPBACK, urlsplit(self._url).port)
        way = _ProxiedConnection(self)
        ends = {writer, server_writer}
        self._writers |= ends
        try:
            await asyncio.gather(way.ask(reader, server_writer), way.answer(server_reader, writer))
        finally:
            self._writers -= ends


class _ProxiedConnection:
    """One connection."""

    def __init__(self, loser: CommitLoser) -> None:
        self._loser = loser
        self._outside = True
        self._silent = False

    async def ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for data in _read_chunks(reader):
            commits = _COMMIT in data or (self._outside and _EXECUTE in data)
            if self._loser.losing and commits and not self._silent:
                self._silent = True
                self._loser.lost += 1
            writer.write(data)
        writer.transport.abort()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for data in _read_chunks(reader):
            self._outside = data.endswith(_OUTSIDE)
            if not self._silent:
                writer.write(data)
        writer.transport.abort()


async def _read_chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            yield data


@asynccontextmanager
async def run_commit_loser(url: str) -> AsyncIterator[CommitLoser]:
    """Listen on a free port until the context is left."""
    loser = CommitLoser(url)
    server = await asyncio.start_server(loser.join, LOOPBACK, 0)
    loser.port = server.sockets[0].getsockname()[1]
    try:
        yield loser
    finally:
        server.close()
        loser.cut()


TOLD = "select progress is not null from dispatcher.broadcast"
COUNT = 20  # of each kind: a replica gets every second one
QUEUES = (topology.LANES[Lane.REPLY], topology.DISPATCHER_STATUSES, topology.DISPATCHER_SUPPRESSIONS)
TROUBLES = {"refused": NetworkConditions(refuse=True), "silent": NetworkConditions(blackhole=True)}
ROUNDS = 4
LOSING_SECONDS = 1.0
ROUND_SECONDS = 4.0
SLOW_ANSWER_SECONDS = 2.0


async def test_progress_that_it_cannot_publish_is_not_taken_from_others(
    harness: EndpointHarness, owner: asyncpg.Connection
) -> None:
    """Whoever takes progress marks it as published for a minute."""
    async with run_proxy_to(harness.broker_url) as (proxy, url):
        (dispatcher,) = await harness.start(broker_url=url)
        proxy.set_conditions(NetworkConditions(refuse=True))
        await wait_until_equal(lambda: harness.fetch_readiness(dispatcher), 503)
        await owner.execute(BROADCAST_ROW, BROADCAST)
        await wait_until_moment(time.monotonic() + 3)
        assert not await owner.fetchval(TOLD)
        proxy.set_conditions(UNDISTURBED_NETWORK)
        await harness.wait_for_value(TOLD)


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
async def test_replies_stops_and_statuses_go_to_replicas_that_reach_the_database(
    harness: EndpointHarness, trouble: NetworkConditions
) -> None:
    async with run_proxy_to(harness.database.build_role_url(ROLE)) as (proxy, url):
        await harness.start(database_url=url)
        await harness.start()
        source = await harness.publish_broadcast(harness.build_citizens(COUNT))
        await harness.wait_for_states({"accepted": COUNT}, source)
        proxy.set_conditions(trouble)

        citizens, now = harness.build_citizens(COUNT), system_clock()
        ended = [SubscriptionEnded(subscriber=one.subscriber, sequence=1, at=now) for one in citizens]
        await asyncio.gather(
            *(harness.publish_statuses([request]) for request in harness.endpoint.accepted),
            *(harness.send(one, topology.EVENTS, SubscriptionEnded.KEY) for one in ended),
            *(harness.request_reply(one, "Guten Tag") for one in citizens),
        )
        await harness.wait_for_accepted(2 * COUNT)
        await harness.wait_for_states({"delivered": COUNT}, source)
        await harness.wait_for_value("select count(*) from dispatcher.suppression", value=COUNT)
        assert await count_consumers(harness) == {1}

        proxy.set_conditions(UNDISTURBED_NETWORK)
        await wait_until_equal(lambda: count_consumers(harness), {2})
        for one in citizens:
            await harness.request_reply(one, "Guten Tag")
        await harness.wait_for_accepted(3 * COUNT)


async def count_consumers(harness: EndpointHarness) -> set[int]:
    return {await harness.count_consumers(queue.name) for queue in QUEUES}


async def test_a_result_that_is_committed_twice_sends_nothing_twice(harness: EndpointHarness) -> None:
    """The answer to a commit is lost, and the replica commits again what it has committed already."""
    refused: set[str] = set()
    refusing = False

    def behave(request: SendRequest) -> GraphAnswer:
        if refusing and request.recipient not in refused:
            refused.add(request.recipient)
            return build_error(130429)
        return GraphAnswer(after=SLOW_ANSWER_SECONDS)

    harness.endpoint.behave = behave
    async with run_commit_loser(harness.database.build_role_url(ROLE)) as way:
        await harness.start(database_url=way.url, request_timeout_seconds=10)
        await harness.start(request_timeout_seconds=10)
        await harness.publish_broadcast(harness.build_citizens(1500))
        await harness.wait_for_requests(100)
        for _ in range(ROUNDS):
            start = time.monotonic()
            refusing = True
            await wait_until_moment(start + 0.15)
            way.losing = True
            await wait_until_moment(start + 0.4)
            refusing = False
            await wait_until_moment(start + LOSING_SECONDS)
            way.losing = False
            way.cut()
            await wait_until_moment(start + ROUND_SECONDS)
        assert way.lost > 0
        assert refused
        harness.assert_none_twice()

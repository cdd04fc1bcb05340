"""The proxy on real sockets: passes on unchanged, and does to connections what was asked for."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from deploy.local.ports import LOOPBACK
from tests.proxy import TAIL_BYTES, UNDISTURBED_NETWORK, NetworkConditions, Proxy, run_proxy
from tests.servers import WAIT_TIMEOUT_SECONDS

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@asynccontextmanager
async def echo_server() -> AsyncIterator[int]:
    """Gives back what it gets."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    async with echo_server() as port, run_proxy([port]) as running:
        yield running


@pytest.fixture
async def connect(proxy: Proxy) -> AsyncIterator[Connect]:
    writers: list[asyncio.StreamWriter] = []

    async def connected() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(LOOPBACK, proxy.port)
        writers.append(writer)
        return reader, writer

    yield connected
    for writer in writers:
        writer.close()


async def echoed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
    writer.write(data)
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        return await reader.readexactly(len(data))


async def ended(reader: asyncio.StreamReader) -> bool:
    """Return whether the connection is gone, with everything that was under way."""
    try:
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            return await reader.read() == b""
    except ConnectionError:
        return True


async def test_a_late_answer_takes_the_time_of_both_ways(proxy: Proxy, connect: Connect) -> None:
    proxy.set_conditions(NetworkConditions(latency_seconds=0.1))
    reader, writer = await connect()
    clock = asyncio.get_running_loop().time
    before = clock()
    await echoed(reader, writer, b"there and back")
    assert clock() - before >= 0.2


@pytest.mark.parametrize("conditions", [NetworkConditions(blackhole=True), NetworkConditions(swallow_answers=True)])
async def test_what_a_hole_takes_or_was_answered_into_it_is_gone(
    proxy: Proxy, connect: Connect, conditions: NetworkConditions
) -> None:
    reader, writer = await connect()
    await echoed(reader, writer, b"there")
    proxy.set_conditions(conditions)
    writer.write(b"swallowed")
    await writer.drain()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.2)
    proxy.set_conditions(UNDISTURBED_NETWORK)
    assert await echoed(reader, writer, b"after") == b"after"


async def test_who_refuses_cuts_and_takes_nobody_until_it_is_over(proxy: Proxy, connect: Connect) -> None:
    before, _ = await connect()
    proxy.set_conditions(NetworkConditions(refuse=True))
    assert await ended(before)
    during, _ = await connect()
    assert await ended(during)
    proxy.set_conditions(UNDISTURBED_NETWORK)
    assert await echoed(*await connect(), b"again") == b"again"


async def test_swallowed_answers_do_not_keep_a_request_from_its_target() -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.put_nowait(await reader.read(65536))
        writer.close()

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    async with server, run_proxy([server.sockets[0].getsockname()[1]]) as proxy:
        proxy.set_conditions(NetworkConditions(swallow_answers=True))
        _, writer = await asyncio.open_connection(LOOPBACK, proxy.port)
        writer.write(b"commit")
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            assert await heard.get() == b"commit"
        writer.close()


async def test_an_answer_in_pieces_comes_as_two(proxy: Proxy, connect: Connect) -> None:
    proxy.set_conditions(NetworkConditions(split_seconds=0.2))
    reader, writer = await connect()
    answer = bytes(range(100))
    writer.write(answer)
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        first = await reader.read(65536)
        rest = await reader.readexactly(len(answer) - len(first))
    assert first == answer[:-TAIL_BYTES]
    assert first + rest == answer


async def test_a_page_is_what_each_request_gets_and_the_target_hears_nothing(proxy: Proxy) -> None:
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nRetry-After: 600\r\n\r\nnone"
    proxy.set_conditions(NetworkConditions(page=answer))
    async with aiohttp.ClientSession() as session:
        for _ in range(3):
            async with session.post(f"http://{LOOPBACK}:{proxy.port}/", data=b"x" * 100_000) as response:
                assert (response.status, response.headers["Retry-After"]) == (404, "600")
                assert await response.read() == b"none"


async def test_with_lost_syns_connections_are_cut_and_new_ones_take_their_time(proxy: Proxy, connect: Connect) -> None:
    before, _ = await connect()
    clock = asyncio.get_running_loop().time
    start = clock()
    proxy.set_conditions(NetworkConditions(lost_syn_seconds=1.5))
    assert await ended(before)
    reader, writer = await connect()
    assert clock() - start >= 1.4, "the connection itself is late, not only what passes through it"
    assert await echoed(reader, writer, b"there") == b"there"
    proxy.set_conditions(UNDISTURBED_NETWORK)
    assert await echoed(*await connect(), b"again") == b"again"


async def test_with_lost_syns_no_connection_looks_open_that_nobody_reads_from(proxy: Proxy) -> None:
    loop = asyncio.get_running_loop()
    waiting = [socket.create_connection((LOOPBACK, proxy.port)) for _ in range(5)]
    proxy.set_conditions(NetworkConditions(lost_syn_seconds=60.0))
    for connection in waiting:
        connection.setblocking(False)
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            with pytest.raises(ConnectionResetError):
                await loop.sock_recv(connection, 1)
        connection.close()

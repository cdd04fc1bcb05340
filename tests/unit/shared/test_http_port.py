"""Requests after an unread body are parsed like any other; clients cause hardly any log lines."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from types import SimpleNamespace

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from shared.runtime import http_port
from shared.runtime.http_port import PIECE_BYTES, READ_BUFFER_BYTES, FailureLog, PieceReader, open_http_port
from tests.servers import WAIT_TIMEOUT_SECONDS

UNREAD_BYTES = 2 * READ_BUFFER_BYTES  # as many are kept of a body that nobody reads


@dataclass
class SlowRefusal:
    """Answers 413 without reading the body, once so many bytes have come; `came` is set when the `first` have."""

    first: int
    all: int
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def refuse(self, request: web.Request) -> web.Response:
        while request.content.total_bytes < self.all:
            if request.content.total_bytes >= self.first:
                self.came.set()
            await asyncio.sleep(0)
        return web.Response(status=413)


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def count(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))


@dataclass
class EndlessAnswer:
    """Is sent until its client has gone."""

    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(PIECE_BYTES))
        finally:
            self.gone.set()


@asynccontextmanager
async def connected(
    refusal: SlowRefusal | None = None, endless: EndlessAnswer | None = None, times: int = 1
) -> AsyncIterator[list[Connection]]:
    app = web.Application(client_max_size=10 * UNREAD_BYTES)
    app.router.add_post("/refused", (refusal or SlowRefusal(0, 0)).refuse)
    app.router.add_post("/endless", (endless or EndlessAnswer()).answer)
    app.router.add_post("/counted", count)
    async with (
        open_http_port(
            app,
            host="127.0.0.1",
            port=0,
            shutdown_seconds=1,
            respond=lambda status: web.Response(status=status),
            refused=lambda _: None,
        ) as port,
        asyncio.timeout(WAIT_TIMEOUT_SECONDS),
    ):
        connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(times)]
        yield connections
        for _, writer in connections:
            writer.transport.abort()


def head(path: str, size: int) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()


async def read_status(reader: asyncio.StreamReader) -> int:
    return int((await reader.readuntil(b"\r\n\r\n")).split()[1])


async def test_a_request_right_after_a_body_that_was_not_read_is_answered() -> None:
    """Its head is kept back together with the end of that body; then its own body is no head without an end."""
    first, rest = UNREAD_BYTES - 5_000, 10_000
    refusal = SlowRefusal(first, first + rest)
    async with connected(refusal) as [(reader, writer)]:
        writer.write(head("/refused", first + rest) + bytes(first))
        await refusal.came.wait()
        writer.write(bytes(rest) + head("/counted", 100_000) + bytes(100_000))
        assert [await read_status(reader) for _ in range(2)] == [413, 200]
        assert await reader.readexactly(6) == b"100000"


async def test_the_end_of_a_body_is_no_beginning_of_a_head(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = asyncio.Event()

    class HeardReader(PieceReader):
        def buffer_updated(self, nbytes: int) -> None:
            super().buffer_updated(nbytes)
            heard.set()

    monkeypatch.setattr(http_port, "PieceReader", HeardReader)
    refusal = SlowRefusal(PIECE_BYTES, 2 * PIECE_BYTES)
    async with connected(refusal) as [(reader, writer)]:
        writer.write(head("/refused", 2 * PIECE_BYTES) + bytes(PIECE_BYTES))
        await refusal.came.wait()
        writer.write(bytes(PIECE_BYTES))
        assert await read_status(reader) == 413
        following = head("/counted", 1) + b"x"
        heard.clear()
        writer.write(following[:30])
        await heard.wait()
        writer.write(following[30:])
        assert await read_status(reader) == 200


async def test_a_newcomer_is_answered_beside_clients_that_do_not_read_their_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_port, "MAX_CONNECTIONS", 2)
    async with connected(times=2) as slow:
        for reader, writer in slow:
            writer.write(head("/endless", 0))
            assert await read_status(reader) == 200
        port = slow[0][1].get_extra_info("peername")[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head("/counted", 0))
        assert await read_status(reader) == 200
        writer.transport.abort()


async def test_a_client_that_does_not_read_its_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_port, "UNREAD_TIMEOUT_MILLISECONDS", 1)
    endless = EndlessAnswer()
    async with connected(endless=endless) as [(_, writer)]:
        writer.write(head("/endless", 0))
        await endless.gone.wait()


def test_one_exception_a_minute_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    moments, failures = accumulate((1_000.0, 0.0, 59.9, 0.1, 59.9)), FailureLog()
    monkeypatch.setattr(http_port, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    with capture_logs() as lines:
        for _ in range(5):
            failures.log(ValueError("no"))
    assert [(line["event"], line["cause"]) for line in lines] == [("request_failed", "ValueError")] * 2

"""Cheap load generators: raw requests on raw connections, as fast as answers arrive or at a fixed rate."""

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle

HOST = "127.0.0.1"
ANSWER_END = b"\r\n\r\n"
OPEN_LOOP_CONNECTIONS = 64
ANSWER_TIMEOUT_SECONDS = 30.0
POLL_INTERVAL_SECONDS = 0.05
_LENGTH = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)


@dataclass
class Tally:
    """Counts of answers, and the duration of each in seconds."""

    answered: int = 0
    refused: int = 0
    times: list[float] = field(default_factory=list)

    def record(self, started: float, *, ok: bool) -> None:
        self.answered += ok
        self.refused += not ok
        self.times.append(time.perf_counter() - started)

    def compute_percentile(self, share: float) -> float:
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class LoadConnection(asyncio.Protocol):
    """A connection with at most one timed request in flight; `on_idle` is called when it has none."""

    transport: asyncio.Transport

    def __init__(self, tally: Tally, on_idle: Callable[["LoadConnection"], None]) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tally = tally
        self._on_idle = on_idle
        self._received = b""
        self._started: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP connection is one
        self.transport = transport
        self._on_idle(self)

    def send(self, request: bytes, started: float) -> None:
        """Send a request whose time counts from `started`."""
        self._started = started
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(ANSWER_END)
        length = _LENGTH.search(head)
        if end and len(body) >= int(length[1] if length else 0):
            self._finish(ok=head.startswith(b"HTTP/1.1 200"))
            self._received = b""
            self._on_idle(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._finish(ok=False)
        self.lost.set_result(None)

    def _finish(self, *, ok: bool) -> None:
        if self._started is not None:
            self._tally.record(self._started, ok=ok)
            self._started = None


async def _connect(
    port: int, connections: int, tally: Tally, on_idle: Callable[[LoadConnection], None]
) -> list[LoadConnection]:
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(lambda: LoadConnection(tally, on_idle), HOST, port) for _ in range(connections)
    ]
    return [connection for _, connection in opened]


async def run_closed_loop(port: int, requests: Sequence[bytes], *, connections: int, seconds: float) -> Tally:
    """Keep every connection busy for `seconds`."""
    tally, pending, deadline = Tally(), cycle(requests), time.perf_counter() + seconds

    def send_next(connection: LoadConnection) -> None:
        now = time.perf_counter()
        if now >= deadline:
            connection.transport.close()
        else:
            connection.send(next(pending), now)

    clients = await _connect(port, connections, tally, send_next)
    await asyncio.gather(*(client.lost for client in clients))
    return tally


async def run_open_loop(port: int, requests: Sequence[bytes], *, rate: float, seconds: float) -> Tally:
    """Send `rate` requests a second for `seconds`, so that a slow server cannot hide behind requests never sent.

    Requests are scheduled by the clock, so that a late one does not delay the next; the wait for an idle connection
    counts, too. Requests without an answer at the end count as refused.
    """
    tally, pending = Tally(), cycle(requests)
    idle: deque[LoadConnection] = deque()
    waiting: deque[float] = deque()

    def send_waiting() -> None:
        while waiting and idle:
            idle.popleft().send(next(pending), waiting.popleft())

    def add_idle(connection: LoadConnection) -> None:
        idle.append(connection)
        send_waiting()

    clients = await _connect(port, OPEN_LOOP_CONNECTIONS, tally, add_idle)
    started, planned = time.perf_counter(), round(rate * seconds)
    for number in range(planned):
        waiting.append(started + number / rate)
        if (early := waiting[-1] - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        send_waiting()
    with suppress(TimeoutError):
        async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
            while len(tally.times) < planned:  # noqa: ASYNC110 - connections count
                await asyncio.sleep(POLL_INTERVAL_SECONDS)
    tally.refused += planned - len(tally.times)
    for client in clients:
        client.transport.close()
    return tally

"""Open-loop load: requests leave by the clock, so that a slow server cannot hide behind requests never sent."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from itertools import cycle

from benchmarks.ingress.load import Tally, is_complete

CONNECTIONS = 64
ANSWER_TIMEOUT_SECONDS = 30.0


class _Pool:
    """Connection pool; a request that waits for an idle connection is timed from its planned moment, too."""

    def __init__(self, requests: Sequence[bytes]) -> None:
        self.tally = Tally()
        self.planned = 0
        self.connections: list[_Connection] = []
        self.finished = asyncio.Event()
        self._all_planned = False
        self._requests = cycle(requests)
        self._idle: deque[_Connection] = deque()
        self._waiting: deque[float] = deque()

    def send(self, planned_at: float) -> None:
        self.planned += 1
        self._waiting.append(planned_at)
        self._match()

    def add_idle(self, connection: "_Connection") -> None:
        self._idle.append(connection)
        self._match()

    def record_answer(self, planned_at: float, *, ok: bool) -> None:
        self.tally.answered += ok
        self.tally.refused += not ok
        self.tally.times.append(time.perf_counter() - planned_at)
        self._check()

    def mark_all_planned(self) -> None:
        self._all_planned = True
        self._check()

    def _check(self) -> None:
        if self._all_planned and len(self.tally.times) == self.planned:
            self.finished.set()

    def _match(self) -> None:
        while self._waiting and self._idle:
            self._idle.popleft().send(next(self._requests), self._waiting.popleft())


class _Connection(asyncio.Protocol):
    """A connection with at most one request in flight."""

    transport: asyncio.Transport

    def __init__(self, pool: _Pool) -> None:
        self._pool = pool
        self._received = b""
        self._planned_at: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP connection is one
        self.transport = transport
        self._pool.connections.append(self)
        self._pool.add_idle(self)

    def send(self, request: bytes, planned_at: float) -> None:
        self._planned_at = planned_at
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if is_complete(self._received):
            ok = self._received.startswith(b"HTTP/1.1 200")
            self._received = b""
            self._finish(ok=ok)
            self._pool.add_idle(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._finish(ok=False)

    def _finish(self, *, ok: bool) -> None:
        if self._planned_at is not None:
            self._pool.record_answer(self._planned_at, ok=ok)
            self._planned_at = None


async def run_open_loop(port: int, requests: Sequence[bytes], *, rate: float, seconds: float) -> Tally:
    """Send `rate` requests a second for `seconds`; requests without an answer at the end count as refused."""
    pool, loop = _Pool(requests), asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: _Connection(pool), "127.0.0.1", port)
    await _send_paced(pool, rate, round(rate * seconds))
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
            await pool.finished.wait()
    except TimeoutError:
        pool.tally.refused += pool.planned - len(pool.tally.times)
    for connection in pool.connections:
        connection.transport.close()
    return pool.tally


async def _send_paced(pool: _Pool, rate: float, requests: int) -> None:
    """Send each request at its own planned moment, so that a late one does not delay the next."""
    started = time.perf_counter()
    for number in range(requests):
        planned_at = started + number / rate
        if (early := planned_at - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        pool.send(planned_at)
    pool.mark_all_planned()

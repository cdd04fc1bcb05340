"""A TCP proxy that can be made to delay, to slow down, to swallow, to refuse and to cut what passes through it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from deploy.local.ports import LOOPBACK

CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class Weather:
    """What happens on the way. A `hole` takes connections and data, and nothing ever comes out of it."""

    latency_seconds: float = 0.0
    bytes_per_second: float = float("inf")
    hole: bool = False
    refuse: bool = False

    @property
    def slow(self) -> bool:
        return self.latency_seconds > 0 or self.bytes_per_second != float("inf")

    @property
    def worse(self) -> bool:
        """Than none at all."""
        return self.slow or self.hole or self.refuse


CLEAR = Weather()


class Proxy:
    """Listens on `port` and passes on to the targets in turn, to the next one if a target does not listen."""

    def __init__(self, targets: Sequence[int]) -> None:
        self.weather = CLEAR
        self.port = 0
        self._targets = tuple(targets)
        self._turn = 0
        self._ends: set[_End] = set()
        self._opening: set[asyncio.Task[None]] = set()

    @property
    def connections(self) -> int:
        """How many there are; each has two ends."""
        return len(self._ends) // 2

    def change(self, weather: Weather) -> None:
        """From now on; what is under way already keeps its delay. Who refuses also cuts."""
        self.weather = weather
        if weather.refuse:
            self.cut()

    def cut(self) -> None:
        """Ends all connections at once; what is still under way never arrives."""
        for end in tuple(self._ends):
            end.abort()

    def passed(self) -> tuple[int, ...]:
        """The targets in the order in which the next connection tries them."""
        self._turn += 1
        start = self._turn % len(self._targets)
        return self._targets[start:] + self._targets[:start]

    def joined(self, end: "_End") -> None:
        self._ends.add(end)

    def left(self, end: "_End") -> None:
        self._ends.discard(end)

    def open_for(self, end: "_End") -> None:
        task = asyncio.get_running_loop().create_task(self._open(end))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, end: "_End") -> None:
        loop = asyncio.get_running_loop()
        for target in self.passed():
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    _, other = await loop.create_connection(lambda: _End(self), LOOPBACK, target)
            except (OSError, TimeoutError):
                continue
            end.join(other)
            return
        end.abort()


class _End(asyncio.Protocol):
    """One side of a connection; `peer` is the other. The accepted side waits until the other is there."""

    def __init__(self, proxy: Proxy, *, accepted: bool = False) -> None:
        self._proxy = proxy
        self._accepted = accepted
        self._transport: asyncio.Transport | None = None
        self._peer: _End | None = None
        self._last_due = 0.0
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._accepted and self._proxy.weather.refuse:
            self._transport.abort()
            return
        self._proxy.joined(self)
        if self._accepted:
            self._transport.pause_reading()
            self._proxy.open_for(self)

    def join(self, other: "_End") -> None:
        self._peer, other._peer = other, self
        if self._ended or self._transport is None:
            other.abort()
        else:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        weather, loop = self._proxy.weather, asyncio.get_running_loop()
        now = loop.time()
        if weather.hole:
            return
        if not weather.slow and self._last_due <= now:
            self._pass_on(data)
            return
        self._last_due = max(self._last_due, now + weather.latency_seconds) + len(data) / weather.bytes_per_second
        loop.call_at(self._last_due, self._pass_on, data)

    def _pass_on(self, data: bytes) -> None:
        if self._peer is not None:
            self._peer.write(data)

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._ended and not self._transport.is_closing():
            self._transport.write(data)

    def pause_writing(self) -> None:
        if self._peer is not None and self._peer._transport is not None:
            self._peer._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._peer is not None and self._peer._transport is not None:
            self._peer._transport.resume_reading()

    def connection_lost(self, _: Exception | None) -> None:
        self._ended = True
        self._proxy.left(self)
        if self._peer is not None and not self._peer._ended:
            asyncio.get_running_loop().call_at(self._last_due, self._peer.close)

    def close(self) -> None:
        """What was passed on still leaves."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        self._ended = True
        if self._transport is not None:
            self._transport.abort()


@asynccontextmanager
async def running_proxy(targets: Sequence[int]) -> AsyncIterator[Proxy]:
    """Listens on a free port until the context is left."""
    proxy = Proxy(targets)
    server = await asyncio.get_running_loop().create_server(lambda: _End(proxy, accepted=True), LOOPBACK, 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.cut()

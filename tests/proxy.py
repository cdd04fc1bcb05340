"""A TCP proxy that can delay, throttle, swallow, refuse and cut connections.

It can also lose SYNs: connecting then takes seconds, as on a congested network.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit, urlunsplit

from deploy.local.ports import LOOPBACK

CONNECT_TIMEOUT_SECONDS = 5.0
# Bytes of an answer's end that are delayed when answers are split: part of the body, not of the header.
TAIL_BYTES = 20
REQUEST_MARK = b" HTTP/1.1\r\n"
BACKLOG = 200
ACCEPT_SECONDS = 1.0
# Linger for zero seconds: closing resets the connection.
RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class NetworkConditions:
    """Faults of a connection. `blackhole` accepts connections and data, and passes on nothing, not even a close.

    `swallow_answers` drops the target's answers, and `split_seconds` delays their end. `page` is an HTTP response with
    which the proxy answers each request itself. `lost_syn_seconds` repeatedly cuts all connections and delays new ones
    by this time.
    """

    latency_seconds: float = 0.0
    bytes_per_second: float = float("inf")
    blackhole: bool = False
    refuse: bool = False
    swallow_answers: bool = False
    split_seconds: float = 0.0
    page: bytes = b""
    lost_syn_seconds: float = 0.0

    @property
    def is_slow(self) -> bool:
        """Return whether data arrives late."""
        return self.latency_seconds > 0 or self.bytes_per_second != float("inf")


UNDISTURBED_NETWORK = NetworkConditions()


class Proxy:
    """Proxy that listens on `port` and forwards to the targets in turn, skipping those that do not listen."""

    def __init__(self, targets: Sequence[int]) -> None:
        self.conditions = UNDISTURBED_NETWORK
        self.port = 0
        self._targets = tuple(targets)
        self._turn = 0
        self.ends: set[_End] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None

    @property
    def connections(self) -> int:
        """Number of connections; each has two ends."""
        return len(self.ends) // 2

    def set_conditions(self, conditions: NetworkConditions) -> None:
        """Apply the conditions to data from now on; data in transit keeps its delay. `refuse` also cuts connections."""
        previous, self.conditions = self.conditions, conditions
        if conditions.refuse:
            self.cut()
        if conditions.lost_syn_seconds != previous.lost_syn_seconds:
            self._restart_accepting()

    def cut(self) -> None:
        """End all connections at once; data in transit is lost."""
        for end in tuple(self.ends):
            end.abort()

    def listen(self, listener: socket.socket) -> None:
        """Accept connections on the listener, until `stop`."""
        self._listener, self.port = listener, listener.getsockname()[1]
        self._restart_accepting()

    async def stop(self) -> None:
        """End all connections and stop watching the listener, whose file descriptor may be reused."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.wait([self._accepting])
            await asyncio.sleep(0)
        self.cut()

    def _restart_accepting(self) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
        if self._listener is not None:
            self._accepting = asyncio.get_running_loop().create_task(self._accept(self._listener))

    async def _accept(self, listener: socket.socket) -> None:
        """Accept connections, until cancelled; while SYNs are lost, only for one second between two losses."""
        while seconds := self.conditions.lost_syn_seconds:
            self.cut()
            await _drop_syns(listener, seconds)
            with suppress(TimeoutError):
                async with asyncio.timeout(ACCEPT_SECONDS):
                    await self._accept_all(listener)
        await self._accept_all(listener)

    async def _accept_all(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(listener)
            await loop.connect_accepted_socket(lambda: _End(self, accepted=True), connection)

    def open_for(self, end: "_End") -> None:
        task = asyncio.get_running_loop().create_task(self._open(end))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, end: "_End") -> None:
        loop = asyncio.get_running_loop()
        self._turn += 1
        start = self._turn % len(self._targets)
        for target in self._targets[start:] + self._targets[:start]:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                    _, other = await loop.create_connection(lambda: _End(self), LOOPBACK, target)
            except (OSError, TimeoutError):
                continue
            end.join(other)
            return
        end.abort()


class _End(asyncio.Protocol):
    """One end of a connection; `_peer` is the other. The accepted end reads only once the other is connected."""

    def __init__(self, proxy: Proxy, *, accepted: bool = False) -> None:
        self._proxy = proxy
        self._accepted = accepted
        self._transport: asyncio.Transport | None = None
        self._peer: _End | None = None
        self._last_due = 0.0
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._accepted and self._proxy.conditions.refuse:
            self._transport.abort()
            return
        self._proxy.ends.add(self)
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
        conditions, is_answer = self._proxy.conditions, not self._accepted
        if conditions.blackhole or (conditions.swallow_answers and is_answer):
            return
        if self._peer is not None and self._peer._ended:  # the black hole hid that
            self.abort()
            return
        if conditions.page and self._accepted:
            self._answer(data, conditions.page)
            return
        if conditions.split_seconds and is_answer:
            self._deliver(data[:-TAIL_BYTES], conditions.latency_seconds)
            self._deliver(data[-TAIL_BYTES:], conditions.latency_seconds + conditions.split_seconds)
            return
        self._deliver(data, conditions.latency_seconds)

    def _answer(self, data: bytes, page: bytes) -> None:
        """Answer in place of the target, once per request."""
        if REQUEST_MARK in data:
            self.write(page)

    def _deliver(self, data: bytes, latency: float) -> None:
        """Deliver in order, after `latency` seconds and at the permitted rate."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._last_due = max(self._last_due, now + latency) + len(data) / self._proxy.conditions.bytes_per_second
        if self._last_due <= now:
            self._pass_on(data)
        else:
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
        self._proxy.ends.discard(self)
        if self._peer is not None and not self._peer._ended and not self._proxy.conditions.blackhole:
            asyncio.get_running_loop().call_at(self._last_due, self._peer.close)

    def close(self) -> None:
        """Close after pending data has been sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        self._ended = True
        if self._transport is not None:
            self._transport.abort()


@asynccontextmanager
async def run_proxy(targets: Sequence[int]) -> AsyncIterator[Proxy]:
    """Run a proxy on a free port."""
    proxy = Proxy(targets)
    with socket.create_server((LOOPBACK, 0), backlog=BACKLOG) as listener:
        listener.setblocking(False)
        proxy.listen(listener)
        try:
            yield proxy
        finally:
            await proxy.stop()


@asynccontextmanager
async def run_proxy_to(url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """Run a proxy to the server of a URL; yield it with the URL that leads through it."""
    async with run_proxy([urlsplit(url).port or 0]) as proxy:
        yield proxy, replace_port(url, proxy.port)


def replace_port(url: str, port: int) -> str:
    """Return a server's URL as it is reached through a port of this machine."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@{LOOPBACK}:{port}"))


async def _drop_syns(listener: socket.socket, seconds: float) -> None:
    """Make the kernel drop SYNs: shorten its accept queue to one connection, and fill it with one of ours.

    A completed but unread connection would look open to its client, whose data would arrive seconds later, so waiting
    ones are reset. A lost SYN keeps the client waiting for the connection.
    """
    loop = asyncio.get_running_loop()
    listener.listen(0)
    with suppress(BlockingIOError):
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            connection.close()
    try:
        with suppress(TimeoutError), socket.socket() as plug:
            plug.setblocking(False)
            async with asyncio.timeout(seconds):
                await loop.sock_connect(plug, listener.getsockname())
                await asyncio.sleep(seconds)
    finally:
        listener.listen(BACKLOG)

"""A cheap load generator: raw requests on raw connections."""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle

ANSWER_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)


@dataclass
class Tally:
    """Counts of answers, and the time that each took, in seconds."""

    answered: int = 0
    refused: int = 0
    times: list[float] = field(default_factory=list)

    def compute_percentile(self, share: float) -> float:
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class _Client(asyncio.Protocol):
    """A connection with one request in flight, repeated until the deadline."""

    transport: asyncio.Transport

    def __init__(self, requests: Sequence[bytes], first: int, deadline: float, tally: Tally) -> None:
        self._requests = cycle([*requests[first:], *requests[:first]])
        self._deadline = deadline
        self._tally = tally
        self._received = b""
        self._sent_at = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP connection is one
        self.transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if is_complete(self._received):
            self._count()
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def _count(self) -> None:
        ok = self._received.startswith(b"HTTP/1.1 200")
        self._tally.answered += ok
        self._tally.refused += not ok
        self._tally.times.append(time.perf_counter() - self._sent_at)
        self._received = b""

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        if self._sent_at >= self._deadline:
            self.transport.close()
        else:
            self.transport.write(next(self._requests))


def is_complete(received: bytes) -> bool:
    head, end, body = received.partition(ANSWER_END)
    length = _LENGTH.search(head)
    return bool(end) and len(body) >= int(length[1] if length else 0)


async def load(port: int, requests: Sequence[bytes], *, connections: int, seconds: float) -> Tally:
    """Keep every connection busy for `seconds`."""
    tally, loop = Tally(), asyncio.get_running_loop()
    deadline = time.perf_counter() + seconds
    clients = []
    for number in range(connections):
        first = number * len(requests) // connections
        _, client = await loop.create_connection(
            lambda first=first: _Client(requests, first, deadline, tally),  # type: ignore[misc]
            "127.0.0.1",
            port,
        )
        clients.append(client)
    await asyncio.gather(*(client.done for client in clients))
    return tally

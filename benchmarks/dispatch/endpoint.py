"""A cheap stand-in for Meta, `python -m benchmarks.dispatch.endpoint PORT SECONDS`, and its client.

It accepts every message after SECONDS and records the arrival times (CLOCK_MONOTONIC, the same for all processes of a
machine). `GET /account` returns the number of messages and the longest stall of the endpoint itself, which makes
messages seem to arrive together; `GET /times` and `GET /urgent` return the arrival times of all messages, and of those
that contain URGENT, as an array of doubles; `GET /ids/NUMBER` returns the ids of the messages after the first NUMBER,
concatenated without a separator.
"""

import asyncio
import re
import sys
import time
from array import array
from dataclasses import dataclass, field
from typing import cast

import aiohttp
import msgspec
import uvloop

HOST = "127.0.0.1"
URGENT = "Dringend"
HEAD_END = b"\r\n\r\n"
TICK_INTERVAL_SECONDS = 0.005
POLL_INTERVAL_SECONDS = 0.05
ID_LENGTH = 36
ID_AT_END = slice(-ID_LENGTH - 2, -2)  # every sender puts biz_opaque_callback_data last, before a quote and a brace
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class EndpointClient:
    url: str
    session: aiohttp.ClientSession

    async def fetch_account(self) -> dict[str, float]:
        """Return the number of `messages`, and the longest stall of the endpoint in seconds, `longest_stall`."""
        account: dict[str, float] = msgspec.json.decode(await self._get("account"))
        return account

    async def wait_for_messages(self, messages: int) -> int:
        """Wait for at least `messages` messages, and return their number."""
        while (count := await self.count()) < messages:  # noqa: ASYNC110 - another process counts
            await asyncio.sleep(POLL_INTERVAL_SECONDS)
        return count

    async def count(self) -> int:
        return int((await self.fetch_account())["messages"])

    async def fetch_times(self, kind: str = "times") -> "array[float]":
        return array("d", await self._get(kind))

    async def fetch_ids_after(self, count: int) -> list[str]:
        """Return the delivery ids of all messages after the first `count`."""
        text = (await self._get(f"ids/{count}")).decode()
        return [text[start : start + ID_LENGTH] for start in range(0, len(text), ID_LENGTH)]

    async def _get(self, path: str) -> bytes:
        async with self.session.get(f"{self.url}/{path}") as response:
            return await response.read()


@dataclass
class EndpointLog:
    times: "array[float]" = field(default_factory=lambda: array("d"))
    urgent: "array[float]" = field(default_factory=lambda: array("d"))
    ids: list[bytes] = field(default_factory=list)
    longest_stall: float = 0.0

    def accept(self, body: bytes) -> bytes:
        """Record a message and return Meta's answer."""
        now = time.monotonic()
        self.times.append(now)
        if URGENT.encode() in body:
            self.urgent.append(now)
        self.ids.append(body[ID_AT_END])
        wamid = b"wamid.HBgPNDkxNzYwNDA2OTAwMDAxFQIAERgS%018d" % len(self.times)
        return (
            b'{"messaging_product":"whatsapp","contacts":[{"input":"+491760406900001","wa_id":"491760406900001"}],'
            b'"messages":[{"id":"%b","message_status":"accepted"}]}' % wamid
        )

    def read(self, path: bytes) -> bytes:
        """Return the answer to a GET of the benchmark."""
        if path == b"/times":
            return self.times.tobytes()
        if path == b"/urgent":
            return self.urgent.tobytes()
        if path.startswith(b"/ids/"):
            return b"".join(self.ids[int(path.rsplit(b"/", 1)[1]) :])
        return msgspec.json.encode({"messages": len(self.ids), "longest_stall": self.longest_stall})

    async def watch(self) -> None:
        """Record the longest stall of the event loop, until cancelled."""
        while True:
            slept_at = time.monotonic()
            await asyncio.sleep(TICK_INTERVAL_SECONDS)
            if self.times:
                self.longest_stall = max(self.longest_stall, time.monotonic() - slept_at - TICK_INTERVAL_SECONDS)


class EndpointConnection(asyncio.Protocol):
    """A connection without pipelining: a client sends its next request after the answer."""

    transport: asyncio.Transport

    def __init__(self, log: EndpointLog, seconds: float) -> None:
        self._log = log
        self._seconds = seconds
        self._received = b""
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transport does not derive from asyncio.Transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while request := self._take_request():
            self._answer(*request)

    def _take_request(self) -> tuple[bytes, bytes] | None:
        head_end = self._received.find(HEAD_END)
        if head_end < 0:
            return None
        head = self._received[:head_end]
        length = _LENGTH.search(head)
        end = head_end + len(HEAD_END) + (int(length[1]) if length else 0)
        if len(self._received) < end:
            return None
        body, self._received = self._received[head_end + len(HEAD_END) : end], self._received[end:]
        return head, body

    def _answer(self, head: bytes, body: bytes) -> None:
        method, path, _ = head.split(b" ", 2)
        if method == b"POST":
            self._loop.call_later(self._seconds, self._write, self._log.accept(body))
        else:
            self._write(self._log.read(path))

    def _write(self, body: bytes) -> None:
        if not self.transport.is_closing():
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            self.transport.write(head + body)


async def serve(port: int, seconds: float) -> None:
    """Serve until killed."""
    log = EndpointLog()
    server = await asyncio.get_running_loop().create_server(lambda: EndpointConnection(log, seconds), HOST, port)
    async with server:
        await log.watch()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2])))

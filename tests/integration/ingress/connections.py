"""Raw requests of strangers, written byte by byte."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from deploy.local.process import Child

CHUNK_SIZE = bytes(64 * 1024)


@dataclass(frozen=True)
class RawConnection:
    """One TCP connection to a port."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def flood(self, beginning: bytes, size: int) -> None:
        """Send this, then `size` zero bytes, as long as the server reads them."""
        try:
            await self.send(beginning)
            for start in range(0, size, len(CHUNK_SIZE)):
                await self.send(CHUNK_SIZE[: size - start])
        except ConnectionError:
            return

    async def read_answer(self) -> bytes:
        """The status line and the headers."""
        return await self.reader.readuntil(b"\r\n\r\n")


@asynccontextmanager
async def open_connection(url: str, *, limit: int = 2**16) -> AsyncIterator[RawConnection]:
    """Connect; hardly more than twice `limit` is taken of what nobody reads."""
    target = urlsplit(url)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, limit)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, (target.hostname, target.port))
    reader, writer = await asyncio.open_connection(sock=client, limit=limit)
    try:
        yield RawConnection(reader, writer)
    finally:
        writer.transport.abort()


def build_head(size: int | None, *headers: str, path: str = "/webhook") -> bytes:
    """The beginning of a POST; without a size its body is chunked."""
    length = "Transfer-Encoding: chunked" if size is None else f"Content-Length: {size}"
    return "\r\n".join((f"POST {path} HTTP/1.1", "Host: x", length, *headers, "", "")).encode()


async def request(url: str, data: bytes) -> bytes:
    """Send these bytes and return status line and headers of the answer."""
    async with open_connection(url) as connection:
        await connection.send(data)
        return await connection.read_answer()


def read_memory_peak(child: Child) -> int:
    """Return the process's peak of memory so far, in bytes."""
    with open(f"/proc/{child.pid}/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))

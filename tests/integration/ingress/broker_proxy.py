"""A proxy in front of the broker that a test can pause or cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from deploy.local.ports import LOOPBACK
from tests.proxy import replace_port


@dataclass
class BrokerProxy:
    """Passes bytes on while `flows` is set; `data_waiting` is set once it keeps some back."""

    host: str
    port: int
    flows: asyncio.Event = field(default_factory=asyncio.Event)
    data_waiting: asyncio.Event = field(default_factory=asyncio.Event)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def pause(self) -> None:
        self.data_waiting.clear()
        self.flows.clear()

    def cut(self) -> None:
        """End all connections at once; new ones are welcome."""
        for writer in self._writers:
            writer.transport.abort()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            upstream_reader, upstream_writer = await asyncio.open_connection(self.host, self.port)
            self._writers |= {writer, upstream_writer}
            await asyncio.gather(self._pass(reader, upstream_writer), self._pass(upstream_reader, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                if not self.flows.is_set():
                    self.data_waiting.set()
                await self.flows.wait()
                writer.write(data)
                await writer.drain()
        finally:
            writer.transport.abort()
            self._writers.discard(writer)


@asynccontextmanager
async def open_broker_proxy(broker_url: str) -> AsyncIterator[tuple[BrokerProxy, str]]:
    """A proxy, and the broker's URL through it."""
    parts = urlsplit(broker_url)
    proxy = BrokerProxy(parts.hostname or LOOPBACK, parts.port or 5672)
    proxy.flows.set()
    async with await asyncio.start_server(proxy.accept, LOOPBACK, 0) as server:
        yield proxy, replace_port(broker_url, server.sockets[0].getsockname()[1])
        proxy.flows.set()
        proxy.cut()

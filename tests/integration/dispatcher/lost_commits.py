"""A way to PostgreSQL on which the answers to commits can get lost: the server has committed, nobody hears of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from deploy.local.ports import LOOPBACK
from tests.proxy import replace_port

_OUTSIDE = b"Z\x00\x00\x00\x05I"
_EXECUTE = b"E\x00\x00\x00\x09\x00"
_COMMIT = b"COMMIT"
_CHUNK = 65_536


class CommitLoser:
    """Passes everything on; while `losing`, what a commit or a single statement answers never comes back."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.losing = False
        self.lost = 0
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """The database's URL by this way."""
        return replace_port(self._url, self.port)

    def cut(self) -> None:
        """End all connections: what was lost stays lost."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(LOOPBACK, urlsplit(self._url).port)
        way = _ProxiedConnection(self)
        ends = {writer, server_writer}
        self._writers |= ends
        try:
            await asyncio.gather(way.ask(reader, server_writer), way.answer(server_reader, writer))
        finally:
            self._writers -= ends


class _ProxiedConnection:
    """One connection."""

    def __init__(self, loser: CommitLoser) -> None:
        self._loser = loser
        self._outside = True
        self._silent = False

    async def ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for data in _read_chunks(reader):
            commits = _COMMIT in data or (self._outside and _EXECUTE in data)
            if self._loser.losing and commits and not self._silent:
                self._silent = True
                self._loser.lost += 1
            writer.write(data)
        writer.transport.abort()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for data in _read_chunks(reader):
            self._outside = data.endswith(_OUTSIDE)
            if not self._silent:
                writer.write(data)
        writer.transport.abort()


async def _read_chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            yield data


@asynccontextmanager
async def run_commit_loser(url: str) -> AsyncIterator[CommitLoser]:
    """Listen on a free port until the context is left."""
    loser = CommitLoser(url)
    server = await asyncio.start_server(loser.join, LOOPBACK, 0)
    loser.port = server.sockets[0].getsockname()[1]
    try:
        yield loser
    finally:
        server.close()
        loser.cut()

"""Saving: every table as of one moment, as text that PostgreSQL itself writes and reads (COPY), compressed."""

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import asyncpg
import msgspec

from cli.backup.frames import FrameWriter
from cli.backup.manifest import Manifest, TableSum, read_manifest

CHUNK_BYTES = 1 << 20
# Higher levels take several times as long for a tenth less.
COMPRESSION_LEVEL = 1


@dataclass
class _TableWriter:
    """Writer of one table; a row is a line, since a line feed inside a value is escaped."""

    writer: FrameWriter
    on_rows: Callable[[int], None]
    _waiting: bytearray = field(default_factory=bytearray)
    _rows: int = 0
    _size: int = 0

    def __post_init__(self) -> None:
        self._hash = hashlib.sha256()

    async def take(self, data: bytes) -> None:
        """Take what the server sends."""
        self._waiting += data
        while len(self._waiting) >= CHUNK_BYTES:
            self._flush()

    def finish(self) -> TableSum:
        self._flush()
        return TableSum(rows=self._rows, size=self._size, sha256=self._hash.hexdigest())

    def _flush(self) -> None:
        data = bytes(self._waiting[:CHUNK_BYTES])
        del self._waiting[:CHUNK_BYTES]
        self._hash.update(data)
        self._size += len(data)
        rows = data.count(b"\n")
        self._rows += rows
        self.writer.write(b"\0" + zlib.compress(data, COMPRESSION_LEVEL))
        self.on_rows(rows)


async def save_database(
    connection: asyncpg.Connection, writer: FrameWriter, on_rows: Callable[[int, int], None]
) -> Manifest:
    """Write everything as of one moment; `on_rows` gets the number of rows just written, and of all.

    Frames: the manifest; for each table its data after a zero byte and then its sum; at last an empty one.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        manifest = await read_manifest(connection)
        writer.write(msgspec.json.encode(manifest))
        for table in manifest.tables:
            output = _TableWriter(writer, lambda rows: on_rows(rows, manifest.rows))
            await connection.copy_from_query(table.query, output=output.take)
            writer.write(msgspec.json.encode(output.finish()))
    writer.write(b"", last=True)
    return manifest

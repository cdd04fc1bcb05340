"""A login over AMQP 1.0 (OASIS AMQP 1.0, part 5), which no client of ours speaks."""

import asyncio
import struct
from urllib.parse import unquote, urlsplit

SASL = b"AMQP\x03\x01\x00\x00"
SASL_INIT, SASL_OUTCOME = 0x41, 0x44
HEADER = struct.Struct(">IBBH")  # size with itself, offset in words, kind of frame, channel
OK, FAILED = 0, 1


async def log_in(url: str) -> int:
    """Try to log in, and return the outcome code."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(SASL)
        assert await reader.readexactly(len(SASL)) == SASL
        await _read_frame(reader)  # mechanisms
        secret = "\0".join(("", parts.username or "", unquote(parts.password or ""))).encode()
        writer.write(_build_frame(SASL_INIT, b"\xa3" + _count(b"PLAIN") + b"\xa0" + _count(secret)))
        outcome = await _read_frame(reader)
    finally:
        writer.close()
    assert outcome[:3] == bytes((0x00, 0x53, SASL_OUTCOME))
    return outcome[outcome.index(0x50) + 1] if 0x50 in outcome else outcome[-1]


def _count(content: bytes) -> bytes:
    return bytes((len(content),)) + content


def _build_frame(performative: int, fields: bytes) -> bytes:
    body = bytes((0x00, 0x53, performative, 0xC0, len(fields) + 1, 2)) + fields
    return HEADER.pack(len(body) + HEADER.size, 2, 1, 0) + body


async def _read_frame(reader: asyncio.StreamReader) -> bytes:
    size, *_ = HEADER.unpack(await reader.readexactly(HEADER.size))
    return await reader.readexactly(size - HEADER.size)

"""Reading of request bodies with limits for each body and for all bodies being read at once."""

import asyncio
from dataclasses import dataclass, field

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError

from services.ingress.ports import WebhookResult

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_BYTES_BEING_READ = 16 * 1024 * 1024
READ_TIMEOUT_SECONDS = 10.0


@dataclass(eq=False)
class _Reading:
    """Body that has not arrived completely."""

    content: bytearray = field(default_factory=bytearray)
    timeout: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(READ_TIMEOUT_SECONDS))
    given_up: bool = False


@dataclass
class BodyReader:
    """Reader of request bodies; when too many bytes are buffered, the body that takes longest is given up.

    Slow senders thus cannot block WhatsApp, whose bodies arrive at once.
    """

    max_bytes: int = MAX_BYTES_BEING_READ
    _readings: dict[_Reading, None] = field(default_factory=dict, init=False)
    _size: int = field(default=0, init=False)

    async def read(self, request: web.Request) -> bytes | WebhookResult:
        """Return the bytes as sent, or the reason that they were not read."""
        content = request.content
        if content.is_eof() and content.exception() is None:
            return await request.read()  # most bodies arrive with their headers and need neither timeout nor accounting
        reading = _Reading()
        self._readings[reading] = None
        try:
            async with reading.timeout:
                return await self._read(content, reading)
        except TimeoutError:
            return WebhookResult.BUSY if reading.given_up else WebhookResult.TOO_SLOW
        except (web.RequestPayloadError, HttpProcessingError):
            return WebhookResult.MALFORMED
        except ConnectionError:
            return WebhookResult.VANISHED
        finally:
            self._release(reading)

    async def _read(self, content: StreamReader, reading: _Reading) -> bytes | WebhookResult:
        while chunk := await content.readany():
            if reading.given_up:
                return WebhookResult.BUSY
            reading.content += chunk
            self._size += len(chunk)
            if len(reading.content) > MAX_BODY_BYTES:
                return WebhookResult.TOO_LARGE
            self._keep_within_limit()
        return WebhookResult.BUSY if reading.given_up else bytes(reading.content)

    def _keep_within_limit(self) -> None:
        while self._size > self.max_bytes:
            oldest = next(iter(self._readings))
            self._release(oldest)
            oldest.given_up = True
            if not oldest.timeout.expired():
                oldest.timeout.reschedule(0)

    def _release(self, reading: _Reading) -> None:
        if reading in self._readings:
            del self._readings[reading]
            self._size -= len(reading.content)
            reading.content.clear()

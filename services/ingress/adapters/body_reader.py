"""Reading request bodies within bounds: of each one, and of all that are being read at the same time."""

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
    """A body that has not arrived completely; one that was given up is not waited for."""

    content: bytearray = field(default_factory=bytearray)
    timeout: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(READ_TIMEOUT_SECONDS))
    given_up: bool = False


@dataclass
class BodyReader:
    """Reads bodies; when too many bytes are held at once, the body that takes longest is given up.

    So strangers who send slowly do not keep out WhatsApp, whose bodies arrive in a moment.
    """

    max_bytes: int = MAX_BYTES_BEING_READ
    _readings: dict[_Reading, None] = field(default_factory=dict, init=False)
    _size: int = field(default=0, init=False)

    async def read(self, request: web.Request) -> bytes | WebhookResult:
        """Return the bytes as they were sent, or why they were not read."""
        content = request.content
        if content.is_eof() and content.exception() is None:
            return await request.read()  # most arrive with their headers and need neither a timeout nor accounting
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

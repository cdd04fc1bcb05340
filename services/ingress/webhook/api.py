"""Public port: `/webhook`, for WhatsApp only."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from aiohttp import StreamReader, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import istr

from services.ingress.webhook.receiver import Receiver, WebhookResult
from services.ingress.webhook.signature import is_well_formed
from shared.runtime.http_port import open_http_port, send_continue

MAX_CHALLENGE_LENGTH = 1_000
MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_BYTES_BEING_READ = 16 * 1024 * 1024
READ_TIMEOUT_SECONDS = 10.0
SIGNATURE_HEADER = istr("X-Hub-Signature-256")

STATUS_CODES: Mapping[WebhookResult, int] = {
    WebhookResult.ACCEPTED: 200,
    WebhookResult.QUARANTINED: 200,
    WebhookResult.MALFORMED: 400,
    WebhookResult.VANISHED: 400,
    WebhookResult.UNSIGNED: 401,
    WebhookResult.TOO_SLOW: 408,
    WebhookResult.TOO_LARGE: 413,
    WebhookResult.ENCODED: 415,
    WebhookResult.BUSY: 503,
    WebhookResult.UNAVAILABLE: 503,
}
_HEADERS = {"X-Content-Type-Options": "nosniff"}
_RETRY_HEADERS = {"Retry-After": "1"}


def build_app(receiver: Receiver) -> web.Application:
    """Return the application that answers Meta's handshake and webhooks, and nothing else."""
    handler = _Handler(receiver)
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_get("/webhook", handler.answer_handshake, allow_head=False)
    app.router.add_post("/webhook", handler.receive, expect_handler=_expect)
    return app


class _Handler:
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._bodies = BodyReader()

    async def answer_handshake(self, request: web.Request) -> web.Response:
        query = request.query
        challenge = query.get("hub.challenge", "")
        is_verified = self._receiver.verify_handshake(query.get("hub.mode"), query.get("hub.verify_token"))
        if not is_verified or len(challenge) > MAX_CHALLENGE_LENGTH:
            response = web.Response(status=403)
        else:
            response = web.Response(text=challenge, headers=_HEADERS)
        self._receiver.meter.count_other_request(response.status)
        return response

    async def receive(self, request: web.Request) -> web.Response:
        body = _refuse_unread(request) or await self._bodies.read(request)
        if isinstance(body, WebhookResult):
            self._receiver.meter.count_webhook(body)
            return _build_response(body)
        return _build_response(await self._receiver.receive(body, request.headers.get(SIGNATURE_HEADER)))


@dataclass(eq=False)
class _PartialBody:
    """Partly received body."""

    content: bytearray = field(default_factory=bytearray)
    timeout: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(READ_TIMEOUT_SECONDS))
    is_dropped: bool = False


@dataclass
class BodyReader:
    """Reader of request bodies; when too many bytes are buffered, the body that started first is dropped.

    Slow senders thus cannot block WhatsApp, whose bodies arrive at once.
    """

    max_bytes: int = MAX_BYTES_BEING_READ
    _partial_bodies: dict[_PartialBody, None] = field(default_factory=dict, init=False)
    _size: int = field(default=0, init=False)

    async def read(self, request: web.Request) -> bytes | WebhookResult:
        """Return the bytes as sent, or the reason for not reading them."""
        content = request.content
        if content.is_eof() and content.exception() is None:
            return await request.read()  # most bodies arrive with their headers and need neither timeout nor accounting
        partial = _PartialBody()
        self._partial_bodies[partial] = None
        try:
            async with partial.timeout:
                return await self._read(content, partial)
        except TimeoutError:
            return WebhookResult.BUSY if partial.is_dropped else WebhookResult.TOO_SLOW
        except (web.RequestPayloadError, HttpProcessingError):
            return WebhookResult.MALFORMED
        except ConnectionError:
            return WebhookResult.VANISHED
        finally:
            self._release(partial)

    async def _read(self, content: StreamReader, partial: _PartialBody) -> bytes | WebhookResult:
        while chunk := await content.readany():
            if partial.is_dropped:
                return WebhookResult.BUSY
            partial.content += chunk
            self._size += len(chunk)
            if len(partial.content) > MAX_BODY_BYTES:
                return WebhookResult.TOO_LARGE
            self._keep_within_limit()
        return WebhookResult.BUSY if partial.is_dropped else bytes(partial.content)

    def _keep_within_limit(self) -> None:
        while self._size > self.max_bytes:
            oldest = next(iter(self._partial_bodies))
            self._release(oldest)
            oldest.is_dropped = True
            if not oldest.timeout.expired():
                oldest.timeout.reschedule(0)

    def _release(self, partial: _PartialBody) -> None:
        if partial in self._partial_bodies:
            del self._partial_bodies[partial]
            self._size -= len(partial.content)
            partial.content.clear()


def _refuse_unread(request: web.Request) -> WebhookResult | None:
    """Return the reason to refuse the request by its headers alone, or None to read its body."""
    headers = request.headers
    if not is_well_formed(headers.get(SIGNATURE_HEADER)):
        return WebhookResult.UNSIGNED
    if hdrs.CONTENT_ENCODING in headers:
        return WebhookResult.ENCODED  # the signature covers the bytes as transferred
    if (request.content_length or 0) > MAX_BODY_BYTES:
        return WebhookResult.TOO_LARGE
    return None


async def _expect(request: web.Request) -> None:
    """Send `100 Continue` to a client that asks for it, unless its headers alone are refused."""
    if _refuse_unread(request) is None:
        await send_continue(request)


def _build_response(result: WebhookResult) -> web.Response:
    status = STATUS_CODES[result]
    return web.Response(status=status, headers=_RETRY_HEADERS if status == 503 else None)


def open_public_port(
    receiver: Receiver, *, host: str, port: int, shutdown_seconds: float
) -> AbstractAsyncContextManager[int]:
    """Serve until the block ends, then finish the requests in flight; yield the listening port."""
    return open_http_port(
        build_app(receiver),
        host=host,
        port=port,
        shutdown_seconds=shutdown_seconds,
        respond=lambda status: web.Response(status=status),
        refused=receiver.meter.count_other_request,
    )

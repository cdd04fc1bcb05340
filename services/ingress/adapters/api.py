"""Public port: `/webhook`, for WhatsApp only."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

from aiohttp import hdrs, web
from multidict import istr

from services.ingress.adapters.body_reader import MAX_BODY_BYTES, BodyReader
from services.ingress.domain.signature import is_well_formed
from services.ingress.handlers import Receiver
from services.ingress.ports import WebhookResult
from shared.runtime.http_port import open_http_port

MAX_CHALLENGE_LENGTH = 1_000
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
        welcome = self._receiver.verify_handshake(query.get("hub.mode"), query.get("hub.verify_token"))
        if not welcome or len(challenge) > MAX_CHALLENGE_LENGTH:
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


async def _expect(request: web.Request) -> web.StreamResponse | None:
    """Send `100 Continue` to a client that asks for it, unless its headers are refused anyway."""
    if _refuse_unread(request) is None and request.headers[hdrs.EXPECT].lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the response itself has not begun
    return None


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

"""The public port: `/webhook`, for WhatsApp alone."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

from aiohttp import hdrs, web
from multidict import istr

from services.ingress.adapters.bodies import MAX_BODY_BYTES, BodyReader
from services.ingress.domain.signature import is_well_formed
from services.ingress.handlers import Receiver
from services.ingress.ports import Result
from shared.runtime.http_port import open_http_port

LONGEST_CHALLENGE = 1_000
SIGNATURE = istr("X-Hub-Signature-256")

STATUS: Mapping[Result, int] = {
    Result.ACCEPTED: 200,
    Result.QUARANTINED: 200,
    Result.MALFORMED: 400,
    Result.VANISHED: 400,
    Result.UNSIGNED: 401,
    Result.TOO_SLOW: 408,
    Result.TOO_LARGE: 413,
    Result.ENCODED: 415,
    Result.BUSY: 503,
    Result.UNAVAILABLE: 503,
}
_PLAIN = {"X-Content-Type-Options": "nosniff"}
_LATER = {"Retry-After": "1"}


def application(receiver: Receiver) -> web.Application:
    """Answers Meta's handshake and its webhooks, and nothing else."""
    handler = _Handler(receiver)
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_get("/webhook", handler.shake_hands, allow_head=False)
    app.router.add_post("/webhook", handler.receive, expect_handler=_expect)
    return app


class _Handler:
    """What is done with requests."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._bodies = BodyReader()

    async def shake_hands(self, request: web.Request) -> web.Response:
        query = request.query
        challenge = query.get("hub.challenge", "")
        welcome = self._receiver.welcomes(query.get("hub.mode"), query.get("hub.verify_token"))
        if not welcome or len(challenge) > LONGEST_CHALLENGE:
            response = web.Response(status=403)
        else:
            response = web.Response(text=challenge, headers=_PLAIN)
        self._receiver.meter.answered_other(response.status)
        return response

    async def receive(self, request: web.Request) -> web.Response:
        body = _refuse_unread(request) or await self._bodies.read(request)
        if isinstance(body, Result):
            self._receiver.meter.answered(body)
            return _answer(body)
        return _answer(await self._receiver.receive(body, request.headers.get(SIGNATURE)))


def _refuse_unread(request: web.Request) -> Result | None:
    """Return why the body is not worth reading, by the headers alone."""
    headers = request.headers
    if not is_well_formed(headers.get(SIGNATURE)):
        return Result.UNSIGNED
    if hdrs.CONTENT_ENCODING in headers:
        return Result.ENCODED  # the signature is made over the bytes as they travel
    if (request.content_length or 0) > MAX_BODY_BYTES:
        return Result.TOO_LARGE
    return None


async def _expect(request: web.Request) -> web.StreamResponse | None:
    """Invite the body of a client that asks first, unless its headers are refused anyway."""
    if _refuse_unread(request) is None and request.headers[hdrs.EXPECT].lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun
    return None


def _answer(result: Result) -> web.Response:
    status = STATUS[result]
    return web.Response(status=status, headers=_LATER if status == 503 else None)


def public_port(
    receiver: Receiver, *, host: str, port: int, shutdown_seconds: float
) -> AbstractAsyncContextManager[int]:
    """Serve until the block ends, then finish what is in flight; gives the port that is listened on."""

    return open_http_port(
        application(receiver),
        host=host,
        port=port,
        shutdown_seconds=shutdown_seconds,
        respond=lambda status: web.Response(status=status),
        refused=receiver.meter.answered_other,
    )

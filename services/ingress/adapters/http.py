"""The public port: `/webhook`, for WhatsApp alone."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from services.ingress.handlers import Receiver
from services.ingress.ports import Result

LARGEST_BODY = 4 * 1024 * 1024
LONGEST_CHALLENGE = 1_000
READ_SECONDS = 10.0
KEEPALIVE_SECONDS = 75.0
SIGNATURE = "X-Hub-Signature-256"

STATUS: Mapping[Result, int] = {
    Result.ACCEPTED: 200,
    Result.QUARANTINED: 200,
    Result.UNSIGNED: 401,
    Result.UNAVAILABLE: 503,
    Result.TOO_LARGE: 413,
    Result.TOO_SLOW: 408,
}
_PLAIN = {"X-Content-Type-Options": "nosniff"}
RECEIVER = web.AppKey("receiver", Receiver)


def application(receiver: Receiver) -> web.Application:
    """Answers Meta's handshake and its webhooks, and nothing else."""
    app = web.Application(client_max_size=LARGEST_BODY)
    app[RECEIVER] = receiver
    app.router.add_get("/webhook", _handshake, allow_head=False)
    app.router.add_post("/webhook", _webhook)
    return app


async def _handshake(request: web.Request) -> web.Response:
    query = request.query
    challenge = query.get("hub.challenge", "")
    welcome = request.app[RECEIVER].welcomes(query.get("hub.mode"), query.get("hub.verify_token"))
    if not welcome or len(challenge) > LONGEST_CHALLENGE:
        return web.Response(status=403)
    return web.Response(text=challenge, headers=_PLAIN)


async def _webhook(request: web.Request) -> web.Response:
    receiver = request.app[RECEIVER]
    body = await _body(request)
    if isinstance(body, Result):
        receiver.meter.answered(body)
        return _answer(body)
    return _answer(await receiver.receive(body, request.headers.get(SIGNATURE)))


async def _body(request: web.Request) -> bytes | Result:
    """The raw bytes, or why they are not read."""
    if (request.content_length or 0) > LARGEST_BODY:
        return Result.TOO_LARGE
    if request.content.is_eof() and not request.content.exception():
        return await request.read()  # most have come with their headers: no need for a clock
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        return Result.TOO_LARGE
    except TimeoutError:
        return Result.TOO_SLOW


def _answer(result: Result) -> web.Response:
    headers = {"Retry-After": "1"} if result is Result.UNAVAILABLE else None
    return web.Response(status=STATUS[result], headers=headers)


def _is_ours(record: logging.LogRecord) -> bool:
    """Not what strangers send that is no HTTP: its text is theirs, and there is no end of it."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


@asynccontextmanager
async def public_port(receiver: Receiver, *, host: str, port: int, shutdown_seconds: float) -> AsyncIterator[int]:
    """Serve until the block ends, then finish what is in flight; gives the port that is listened on."""
    logger = logging.getLogger("services.ingress.http")
    logger.addFilter(_is_ours)
    runner = web.AppRunner(
        application(receiver),
        access_log=None,
        keepalive_timeout=KEEPALIVE_SECONDS,
        handler_cancellation=False,
        shutdown_timeout=shutdown_seconds,
        logger=logger,
    )
    await runner.setup()
    site = web.TCPSite(runner, host, port, backlog=1024)
    await site.start()
    try:
        yield site.port
    finally:
        await runner.cleanup()

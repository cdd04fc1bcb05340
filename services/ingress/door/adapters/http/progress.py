"""What became of notices: of all, and of an event, as JSON or as server-sent events until the last."""

import asyncio
import time

import msgspec
from aiohttp import hdrs, web

from services.ingress.door.adapters.http.answers import answer
from services.ingress.door.adapters.http.requests import GUARD, caller_of
from services.ingress.door.domain.judging import Caller
from services.ingress.door.domain.view import Entry
from services.ingress.door.handlers.board import Board

EVENT_STREAM = "text/event-stream"
AGAIN_MILLISECONDS = 2_000
LOOK_SECONDS = 1.0  # how soon we notice that nobody listens any more, or may not any more
QUIET_SECONDS = 10.0
LONGEST_SECONDS = 3_600.0
WRITE_SECONDS = 10.0
BOARD = web.AppKey("board", Board)
CLOSING = web.AppKey("closing", asyncio.Event)


async def list_notices(request: web.Request) -> web.Response:
    """What became of each notice of the system."""
    return answer(request.app[BOARD].list_notices(caller_of(request)))


async def follow(request: web.Request) -> web.StreamResponse:
    """JSON, or a stream for those who accept one."""
    caller = caller_of(request)
    key = request.match_info["key"]
    entry = await request.app[BOARD].find(caller, key)
    if EVENT_STREAM not in request.headers.get(hdrs.ACCEPT, "").lower():
        return answer(entry.progress)
    seen = _last_seen(request)
    if seen is not None and seen >= entry.place and entry.progress.is_final:
        return web.Response(status=204)  # which is how a stream says that it need not be opened again
    with request.app[BOARD].watching(caller):
        return await _stream(request, caller, key, seen)


def _last_seen(request: web.Request) -> int | None:
    told = request.headers.get("Last-Event-ID", "")
    return int(told) if told.isascii() and told.isdecimal() and len(told) < 19 else None


async def _stream(request: web.Request, caller: Caller, key: str, seen: int | None) -> web.StreamResponse:
    response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: EVENT_STREAM, "X-Accel-Buffering": "no"})
    await response.prepare(request)
    writing = asyncio.create_task(_write(request, response, caller, key, seen))
    closing = asyncio.create_task(request.app[CLOSING].wait())
    try:
        await asyncio.wait((writing, closing), return_when=asyncio.FIRST_COMPLETED)
    finally:
        writing.cancel()
        closing.cancel()
    return response


async def _write(
    request: web.Request, response: web.StreamResponse, caller: Caller, key: str, seen: int | None
) -> None:
    said = time.monotonic()
    ends = said + LONGEST_SECONDS
    try:
        await _send(response, f"retry: {AGAIN_MILLISECONDS}\n\n")
        async for entry in request.app[BOARD].changes(caller, key, seen, LOOK_SECONDS):
            now = time.monotonic()
            if now > ends or request.transport is None or not request.app[GUARD].still_admits(caller):
                return
            if entry or now - said > QUIET_SECONDS:
                await _send(response, _event(entry) if entry else ": nothing new\n\n")
                said = now
    except (ConnectionError, TimeoutError):
        return  # nobody reads it any more


def _event(entry: Entry) -> str:
    place = f"id: {entry.place}\n" if entry.place >= 0 else ""
    return f"{place}event: {entry.progress.state}\ndata: {msgspec.json.encode(entry.progress).decode()}\n\n"


async def _send(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(WRITE_SECONDS):
        await response.write(text.encode())


async def tell_watchers(app: web.Application) -> None:
    """They shall ask another process when this one stops."""
    app[CLOSING].set()

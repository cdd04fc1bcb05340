"""Handlers of progress: a list of all notices, and one event as JSON or as server-sent events until the last."""

import asyncio
import time

import msgspec
from aiohttp import hdrs, web

from services.ingress.notices.adapters.http.requests import AUTHENTICATOR, authenticate_caller
from services.ingress.notices.adapters.http.responses import build_response
from services.ingress.notices.domain.progress_store import ProgressEntry
from services.ingress.notices.domain.validation import Caller
from services.ingress.notices.handlers.progress_feed import ProgressFeed

EVENT_STREAM = "text/event-stream"
RECONNECT_MILLISECONDS = 2_000
POLL_INTERVAL_SECONDS = 1.0  # how soon a lost client or a revoked token is noticed
KEEPALIVE_INTERVAL_SECONDS = 10.0
MAX_STREAM_SECONDS = 3_600.0
WRITE_TIMEOUT_SECONDS = 10.0
PROGRESS_FEED = web.AppKey("progress_feed", ProgressFeed)
CLOSING = web.AppKey("closing", asyncio.Event)


async def list_notices(request: web.Request) -> web.Response:
    """Respond with the progress of each notice of the system."""
    return build_response(request.app[PROGRESS_FEED].list_notices(authenticate_caller(request)))


async def follow_event(request: web.Request) -> web.StreamResponse:
    """Respond with the progress as JSON, or as a stream if the client accepts one."""
    caller = authenticate_caller(request)
    key = request.match_info["key"]
    entry = await request.app[PROGRESS_FEED].find(caller, key)
    if EVENT_STREAM not in request.headers.get(hdrs.ACCEPT, "").lower():
        return build_response(entry.progress)
    seen = _parse_last_event_id(request)
    if seen is not None and seen >= entry.place and entry.progress.is_final:
        return web.Response(status=204)  # tells an EventSource not to reconnect
    with request.app[PROGRESS_FEED].reserve_watcher(caller):
        return await _stream(request, caller, key, seen)


def _parse_last_event_id(request: web.Request) -> int | None:
    told = request.headers.get("Last-Event-ID", "")
    return int(told) if told.isascii() and told.isdecimal() and len(told) < 19 else None


async def _stream(request: web.Request, caller: Caller, key: str, seen: int | None) -> web.StreamResponse:
    response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: EVENT_STREAM, "X-Accel-Buffering": "no"})
    await response.prepare(request)
    writing = asyncio.create_task(_write_events(request, response, caller, key, seen))
    closing = asyncio.create_task(request.app[CLOSING].wait())
    try:
        await asyncio.wait((writing, closing), return_when=asyncio.FIRST_COMPLETED)
    finally:
        writing.cancel()
        closing.cancel()
    return response


async def _write_events(
    request: web.Request, response: web.StreamResponse, caller: Caller, key: str, seen: int | None
) -> None:
    said = time.monotonic()
    ends = said + MAX_STREAM_SECONDS
    try:
        await _send(response, f"retry: {RECONNECT_MILLISECONDS}\n\n")
        async for entry in request.app[PROGRESS_FEED].stream_changes(caller, key, seen, POLL_INTERVAL_SECONDS):
            now = time.monotonic()
            if now > ends or request.transport is None or not request.app[AUTHENTICATOR].is_still_valid(caller):
                return
            if entry or now - said > KEEPALIVE_INTERVAL_SECONDS:
                await _send(response, _format_event(entry) if entry else ": nothing new\n\n")
                said = now
    except (ConnectionError, TimeoutError):
        return  # the client is gone


def _format_event(entry: ProgressEntry) -> str:
    place = f"id: {entry.place}\n" if entry.place >= 0 else ""
    return f"{place}event: {entry.progress.state}\ndata: {msgspec.json.encode(entry.progress).decode()}\n\n"


async def _send(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(WRITE_TIMEOUT_SECONDS):
        await response.write(text.encode())


async def close_streams(app: web.Application) -> None:
    """End all streams at shutdown, so that clients reconnect to another process."""
    app[CLOSING].set()

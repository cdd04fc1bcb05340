"""Streams of events: a part of a page, after each change of what it shows."""

import asyncio
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import TypeVar

from aiohttp import hdrs, web

from services.newsroom.handlers.watching import ChangeWatch
from services.newsroom.http.web_pages import VISITOR

POLL_SECONDS = 1.0
KEEPALIVE_SECONDS = 10.0
WRITE_TIMEOUT_SECONDS = 10.0
MAX_STREAM_SECONDS = 3_600.0
Key = TypeVar("Key", bound=Hashable)
Shown = TypeVar("Shown")


async def stream_changes(
    request: web.Request,
    ended: ChangeWatch[bytes, bool],
    watch: ChangeWatch[Key, Shown],
    key: Key,
    render: Callable[[Shown], web.Response],
    *,
    is_over: Callable[[Shown], bool],
) -> web.StreamResponse:
    """Respond with what `render` returns after each change, until it is over or the session has ended."""
    if watch.is_full:
        raise web.HTTPServiceUnavailable
    response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "text/event-stream", "X-Accel-Buffering": "no"})
    await response.prepare(request)
    session: bytes = request[VISITOR].session
    with suppress(ConnectionError, TimeoutError), ended.follow(session), watch.follow(key):
        told: Shown | None = None
        begun = said = time.monotonic()
        while not ended.get(session) and not watch.closing and request.transport is not None:
            shown = await watch.wait_for_change(key, told, POLL_SECONDS)
            now = time.monotonic()
            if shown is not None and not ended.get(session):
                await _send(response, _format_event(render(shown)))
                told, said = shown, now
            elif now - said > KEEPALIVE_SECONDS:
                await _send(response, ": nothing new\n\n")
                said = now
            if told is not None and is_over(told):
                await _send(response, "event: end\ndata:\n\n")
                break
            if now - begun > MAX_STREAM_SECONDS:
                break  # without an end the browser comes back by itself
    return response


def _format_event(page: web.Response) -> str:
    return "".join(f"data: {line}\n" for line in (page.text or "").splitlines()) + "\n"


async def _send(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(WRITE_TIMEOUT_SECONDS):
        await response.write(text.encode())

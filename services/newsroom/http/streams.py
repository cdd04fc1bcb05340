"""Server-sent events: a fragment of a page after each change of its value."""

import asyncio
import time
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from aiohttp import hdrs, web

from services.newsroom.handlers.watching import ChangeWatch
from services.newsroom.http.rendering import render_page
from services.newsroom.http.web_pages import VISITOR

POLL_SECONDS = 1.0
KEEPALIVE_SECONDS = 10.0
WRITE_TIMEOUT_SECONDS = 10.0
MAX_STREAM_SECONDS = 3_600.0
Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


async def stream_changes(
    request: web.Request,
    ended: ChangeWatch[bytes, bool],
    watch: ChangeWatch[Key, Value],
    key: Key,
    template: str,
    describe: Callable[[Value], Mapping[str, Any]],
    *,
    is_over: Callable[[Value], bool] = lambda _: False,
) -> web.StreamResponse:
    """Stream the template, with what `describe` returns of each new value, until `is_over` or the session has ended.

    It also ends when a value cannot be read: the browser reconnects, and says so to its reader if that fails.
    """
    if watch.is_full:
        raise web.HTTPServiceUnavailable
    response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "text/event-stream", "X-Accel-Buffering": "no"})
    await response.prepare(request)
    session: bytes = request[VISITOR].session
    with suppress(ConnectionError, TimeoutError), ended.follow(session), watch.follow(key):
        last: Value | None = None
        failures = watch.failures
        started_at = last_sent_at = time.monotonic()
        while not (ended.get(session) or watch.closing or watch.failures > failures or request.transport is None):
            value = await watch.wait_for_change(key, last, POLL_SECONDS)
            now = time.monotonic()
            if value is not None and not ended.get(session):
                await _send(response, _format_event(render_page(request, template, **describe(value))))
                last, last_sent_at = value, now
            elif now - last_sent_at > KEEPALIVE_SECONDS:
                await _send(response, ": nothing new\n\n")
                last_sent_at = now
            if last is not None and is_over(last):
                await _send(response, "event: end\ndata:\n\n")
                break
            if now - started_at > MAX_STREAM_SECONDS:
                break  # without an end event the browser reconnects on its own
    return response


def _format_event(page: web.Response) -> str:
    return "".join(f"data: {line}\n" for line in (page.text or "").splitlines()) + "\n"


async def _send(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(WRITE_TIMEOUT_SECONDS):
        await response.write(text.encode())

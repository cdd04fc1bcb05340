"""A website with scripted answers that records requests."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_text_answer(body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(
            body=body, status=status, headers={"Content-Type": "application/rss+xml", **(headers or {})}
        )

    return answer


def build_conditional_answer(body: bytes, *, etag: str, last_modified: str) -> Answer:
    """Return an answer that is 304 if the client already has the page."""

    async def answer(request: web.Request) -> web.StreamResponse:
        headers = {"ETag": etag, "Last-Modified": last_modified}
        is_same = request.headers.get("If-None-Match") == etag
        if is_same and request.headers.get("If-Modified-Since") == last_modified:
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, headers=headers)

    return answer


async def never_answer(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def answer_endlessly(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" " * 65_536)


@dataclass
class FakeWebsite:
    """A website with `pages` by path; other paths are 404."""

    url: str = ""
    pages: dict[str, Answer] = field(default_factory=dict)
    requests: list[web.Request] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        page = self.pages.get(request.path)
        return await page(request) if page else web.Response(status=404)


@asynccontextmanager
async def run_website() -> AsyncIterator[FakeWebsite]:
    website = FakeWebsite()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", website.handle)
    async with TestServer(application) as server:
        website.url = f"http://{server.host}:{server.port}"
        yield website

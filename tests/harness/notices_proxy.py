"""A proxy before the notices API, which loses answers or gives its own."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer


@dataclass
class NoticesProxy:
    """`before_answer` is called once, when the notices API has taken a notice and nobody knows it yet.

    Requests with one of `refused` methods are answered with 503 in place of the notices API.
    """

    target: str
    url: str = ""
    before_answer: Callable[[], None] | None = None
    refused: tuple[str, ...] = ()
    answered: list[int] = field(default_factory=list)

    async def forward(self, request: web.Request) -> web.Response:
        if request.method in self.refused:
            return web.Response(status=503)
        headers = {name: request.headers[name] for name in ("Authorization", "Content-Type")}
        async with (
            ClientSession() as session,
            session.request(
                request.method, self.target + request.path, data=await request.read(), headers=headers
            ) as found,
        ):
            body = await found.read()
        if request.path != "/notices":
            return web.Response(body=body, status=found.status)
        self.answered.append(found.status)
        if self.before_answer is not None:
            act, self.before_answer = self.before_answer, None
            act()
            assert request.transport is not None
            request.transport.abort()
        return web.Response(body=body, status=found.status)


@asynccontextmanager
async def run_notices_proxy(target: str) -> AsyncIterator[NoticesProxy]:
    proxy = NoticesProxy(target)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", proxy.forward)
    async with TestServer(app) as server:
        proxy.url = f"http://{server.host}:{server.port}"
        yield proxy

"""The port."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from services.ingress.door.adapters.http.answers import say_little
from services.ingress.door.adapters.http.documents import add_documents
from services.ingress.door.adapters.http.notices import DESK, check, publish
from services.ingress.door.adapters.http.problems import METRICS, SpeakingProtocol, problems
from services.ingress.door.adapters.http.progress import BOARD, CLOSING, follow, tell_watchers
from services.ingress.door.adapters.http.requests import GUARD, LARGEST_BODY, PROXIES
from services.ingress.door.adapters.metrics import DoorMetrics
from services.ingress.door.domain.clients import Network
from services.ingress.door.handlers.board import Board
from services.ingress.door.handlers.desk import Desk
from services.ingress.door.handlers.guard import Guard

KEEPALIVE_SECONDS = 75.0


def application(
    *, guard: Guard, desk: Desk, board: Board, metrics: DoorMetrics, proxies: Sequence[Network]
) -> web.Application:
    """All paths."""
    app = web.Application(client_max_size=LARGEST_BODY, middlewares=[problems])
    app[GUARD], app[DESK], app[BOARD], app[METRICS], app[PROXIES] = guard, desk, board, metrics, proxies
    app[CLOSING] = asyncio.Event()
    app.on_shutdown.append(tell_watchers)
    app.on_response_prepare.append(say_little)
    app.router.add_post("/notices", publish)
    app.router.add_post("/notices/check", check)
    app.router.add_get("/events/{key:[0-9a-f]{32}}", follow, allow_head=False)
    add_documents(app)
    return app


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return SpeakingProtocol(self, loop=self._loop, **self._kwargs)


class _Runner(web.AppRunner):
    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        made.__class__ = _Server  # aiohttp asks for no class of ours, though all that differs is what it speaks
        return made


@asynccontextmanager
async def door_port(app: web.Application, *, host: str, port: int, shutdown_seconds: float) -> AsyncIterator[None]:
    """Serve until the block ends, then finish what is in flight."""
    runner = _Runner(
        app,
        access_log=None,
        keepalive_timeout=KEEPALIVE_SECONDS,
        handler_cancellation=False,
        shutdown_timeout=shutdown_seconds,
    )
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    try:
        yield
    finally:
        await runner.cleanup()

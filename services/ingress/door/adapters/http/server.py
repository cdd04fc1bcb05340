"""The port."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from aiohttp import web

from services.ingress.door.adapters.http.answers import say_little
from services.ingress.door.adapters.http.documents import add_documents
from services.ingress.door.adapters.http.notices import DESK, check, publish
from services.ingress.door.adapters.http.problems import METRICS, problems, respond_to_error
from services.ingress.door.adapters.http.progress import BOARD, CLOSING, follow, list_notices, tell_watchers
from services.ingress.door.adapters.http.requests import GUARD, LARGEST_BODY, PROXIES
from services.ingress.door.adapters.metrics import DoorMetrics
from services.ingress.door.domain.clients import Network
from services.ingress.door.handlers.board import Board
from services.ingress.door.handlers.desk import Desk
from services.ingress.door.handlers.guard import Guard
from shared.runtime.http_port import open_http_port


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
    app.router.add_get("/notices", list_notices, allow_head=False)
    app.router.add_post("/notices/check", check)
    app.router.add_get("/events/{key:[0-9a-f]{32}}", follow, allow_head=False)
    add_documents(app)
    return app


def door_port(
    app: web.Application, *, host: str, port: int, shutdown_seconds: float
) -> AbstractAsyncContextManager[int]:
    """Serve until the block ends, then finish what is in flight."""
    return open_http_port(
        app,
        host=host,
        port=port,
        shutdown_seconds=shutdown_seconds,
        respond=respond_to_error,
        refused=app[METRICS].unparsed,
    )

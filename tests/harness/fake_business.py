"""The other side of the simulator: a business that receives webhooks over HTTP and checks their signatures."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.factories.webhooks import sign
from tests.servers import WAIT_TIMEOUT_SECONDS

APP_SECRET = "secret-of-the-app"
VERIFY_TOKEN = "token-of-the-handshake"
MAX_BODY_BYTES = 4 * 1024 * 1024

Handler = Callable[[web.Request], Awaitable[web.Response]]


class FakeBusiness:
    """Receiver that records webhooks; it answers 200 unless `answers` has other statuses."""

    def __init__(self) -> None:
        self.url = ""
        self.bodies: list[bytes] = []
        self.answers: list[int] = []
        self.refused = 0
        self.forged = 0
        self.handshakes: list[str] = []
        self._arrived = asyncio.Event()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until the received webhooks fulfil the condition; fail at the deadline."""
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while not condition():
                self._arrived.clear()
                await self._arrived.wait()

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.headers.get("X-Hub-Signature-256") != sign(body, APP_SECRET):
            self.forged += 1
            return web.Response(status=401)
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            self.bodies.append(body)
        else:
            self.refused += 1
        self._arrived.set()
        return web.Response(status=status)

    async def verify_handshake(self, request: web.Request) -> web.Response:
        is_valid = request.query.get("hub.verify_token") == VERIFY_TOKEN
        self.handshakes.append(request.query.get("hub.mode", ""))
        return web.Response(text=request.query["hub.challenge"] if is_valid else "", status=200 if is_valid else 403)

    @property
    def changes(self) -> list[dict[str, Any]]:
        posts = [json.loads(body) for body in self.bodies]
        return [change for post in posts for entry in post["entry"] for change in entry["changes"]]

    def list_items(self, kind: str) -> list[dict[str, Any]]:
        """Return all items of `messages`, `statuses` or `user_preferences`, in the order of arrival."""
        return [item for change in self.changes for item in change["value"].get(kind, [])]

    @property
    def messages(self) -> list[dict[str, Any]]:
        return self.list_items("messages")

    @property
    def statuses(self) -> list[dict[str, Any]]:
        return self.list_items("statuses")


@asynccontextmanager
async def run_business() -> AsyncIterator[FakeBusiness]:
    business = FakeBusiness()
    async with serve_webhooks(post=business.take, get=business.verify_handshake) as url:
        business.url = url
        yield business


@asynccontextmanager
async def serve_webhooks(*, post: Handler, get: Handler) -> AsyncIterator[str]:
    """Run a server for webhooks; yield its address."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_post("/webhook", post)
    app.router.add_get("/webhook", get)
    async with TestServer(app) as server:
        yield f"http://{server.host}:{server.port}/webhook"

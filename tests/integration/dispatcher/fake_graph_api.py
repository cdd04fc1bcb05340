"""A Graph endpoint that does to each request what a test says, and remembers when each one arrived."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from aiohttp import web

from deploy.local.ports import LOOPBACK

BACKLOG = 4096
HTML = "<html><head><title>{status}</title></head><body><h1>{status}</h1><hr>proxy</body></html>"


@dataclass(frozen=True)
class SendRequest:
    """A message that arrived whole; `at` is on the monotonic clock, `wall` in seconds since 1970."""

    number: int
    delivery: UUID
    recipient: str
    content: Mapping[str, object]
    at: float
    wall: float

    @property
    def message_id(self) -> str:
        return f"wamid.{self.number:08d}"


@dataclass(frozen=True)
class GraphAnswer:
    """What to answer `after` so many seconds; without a body, an acceptance. If `cut`, the connection ends instead."""

    status: int = 200
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    after: float = 0.05
    cut: bool = False


Behaviour = Callable[[SendRequest], GraphAnswer | None]


def build_acceptance(_: SendRequest) -> GraphAnswer:
    return GraphAnswer()


def build_error(code: int, status: int = 400) -> GraphAnswer:
    """Build an error as Meta answers it."""
    error = {"message": "refused", "type": "OAuthException", "code": code, "fbtrace_id": "A"}
    return GraphAnswer(status=status, body=json.dumps({"error": error}))


def build_proxy_page(status: int) -> GraphAnswer:
    """Build the page of a proxy that stands before Meta."""
    return GraphAnswer(status=status, body=HTML.format(status=status), headers={"Content-Type": "text/html"})


class FakeGraphApi:
    """`behave` decides on each request, None is never answered; it may be replaced while dispatchers send."""

    def __init__(self) -> None:
        self.behave: Behaviour = build_acceptance
        self.requests: list[SendRequest] = []
        self.accepted: list[SendRequest] = []
        self.port = 0

    @property
    def accepted_times(self) -> Counter[UUID]:
        """Return how often each delivery was accepted."""
        return Counter(request.delivery for request in self.accepted)

    def count_requests(self, start: float, end: float) -> int:
        """Count requests that arrived from `start` until before `end` on the monotonic clock."""
        return sum(1 for request in self.requests if start <= request.at < end)

    async def handle(self, http: web.Request) -> web.Response:
        read = json.loads(await http.read())
        request = SendRequest(
            number=len(self.requests),
            delivery=UUID(read["biz_opaque_callback_data"]),
            recipient=str(read.get("to") or read.get("recipient")).removeprefix("+"),
            content=read,
            at=time.monotonic(),
            wall=time.time(),
        )
        self.requests.append(request)
        answer = self.behave(request)
        if answer is None:
            await asyncio.Event().wait()
            raise AssertionError
        if answer.body is None:
            self.accepted.append(request)
        if answer.cut and http.transport is not None:
            http.transport.abort()
        await asyncio.sleep(0 if answer.cut else answer.after)
        headers = {"Content-Type": "application/json", **answer.headers}
        body = _build_body(request.message_id) if answer.body is None else answer.body
        return web.Response(status=answer.status, body=body.encode(), headers=headers)


def _build_body(message_id: str) -> str:
    return json.dumps({"messaging_product": "whatsapp", "contacts": [], "messages": [{"id": message_id}]})


@asynccontextmanager
async def run_fake_graph_api() -> AsyncIterator[FakeGraphApi]:
    """Listen on a free port until the context is left."""
    endpoint, app = FakeGraphApi(), web.Application()
    app.router.add_post("/{version}/{number}/messages", endpoint.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, LOOPBACK, 0, backlog=BACKLOG)
    await site.start()
    endpoint.port = site.port
    try:
        yield endpoint
    finally:
        await runner.cleanup()

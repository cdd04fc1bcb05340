"""A Graph endpoint that does to each request what a test says, and remembers when each one arrived."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast
from uuid import UUID

from deploy.local.ports import LOOPBACK

MESSAGES = "/messages"
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
        self.connections: set[_Connection] = set()
        self.port = 0

    @property
    def accepted_times(self) -> Counter[UUID]:
        """Return how often each delivery was accepted."""
        return Counter(request.delivery for request in self.accepted)

    def count_requests(self, start: float, end: float) -> int:
        """Count requests that arrived from `start` until before `end` on the monotonic clock."""
        return sum(1 for request in self.requests if start <= request.at < end)

    def receive(self, path: str, body: bytes, connection: "_Connection") -> None:
        if not path.endswith(MESSAGES):
            connection.answer(GraphAnswer(status=404, body="{}"), "")
            return
        read = json.loads(body)
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
            return
        if answer.body is None:
            self.accepted.append(request)
        if answer.cut:
            connection.abort()
        else:
            connection.answer(answer, request.message_id)


class _Connection(asyncio.Protocol):
    """One connection with HTTP/1.1, kept alive, one request at a time."""

    def __init__(self, endpoint: FakeGraphApi) -> None:
        self._endpoint = endpoint
        self._read = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._endpoint.connections.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        self._endpoint.connections.discard(self)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, separator, rest = self._read.partition(b"\r\n\r\n")
        if not separator:
            return
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return
        self._read = rest[length:]
        self._endpoint.receive(lines[0].split(" ")[1], rest[:length], self)

    def answer(self, answer: GraphAnswer, message_id: str) -> None:
        body = (answer.body if answer.body is not None else _build_body(message_id)).encode()
        headers = {"Content-Type": "application/json", **answer.headers, "Content-Length": str(len(body))}
        head = f"HTTP/1.1 {answer.status} Status\r\n" + "".join(f"{name}: {it}\r\n" for name, it in headers.items())
        asyncio.get_running_loop().call_later(answer.after, self._write, head.encode() + b"\r\n" + body)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def _build_body(message_id: str) -> str:
    return json.dumps({"messaging_product": "whatsapp", "contacts": [], "messages": [{"id": message_id}]})


@asynccontextmanager
async def run_fake_graph_api() -> AsyncIterator[FakeGraphApi]:
    """Listen on a free port until the context is left."""
    endpoint = FakeGraphApi()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(endpoint), LOOPBACK, 0, backlog=BACKLOG)
    endpoint.port = server.sockets[0].getsockname()[1]
    try:
        yield endpoint
    finally:
        server.close()
        for connection in tuple(endpoint.connections):
            connection.abort()

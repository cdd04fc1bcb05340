"""A Graph endpoint that does to each request what a test says, and remembers when each one arrived."""

import asyncio
import json
import socket
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
        self._socket = _open_socket()
        self._fillers: list[socket.socket] = []
        self.connections: set[_Connection] = set()
        self._opening: set[asyncio.Task[object]] = set()

    @property
    def port(self) -> int:
        return cast(int, self._socket.getsockname()[1])

    @property
    def accepted_times(self) -> Counter[UUID]:
        """Return how often each delivery was accepted."""
        return Counter(request.delivery for request in self.accepted)

    def count_requests(self, start: float, end: float) -> int:
        """Count requests that arrived from `start` until before `end` on the monotonic clock."""
        return sum(1 for request in self.requests if start <= request.at < end)

    def open(self) -> None:
        """Take connections at once."""
        self._socket.listen(BACKLOG)
        asyncio.get_running_loop().add_reader(self._socket, self._take)
        for filler in self._fillers:
            filler.close()
        self._fillers.clear()

    def drop_first_packets(self) -> None:
        """Lose the first packet of every new connection: the kernel sends it again after 1 s and after 3 s."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.listen(0)
        for _ in range(2):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex((LOOPBACK, self.port))
            self._fillers.append(filler)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        for one in (*self._fillers, self._socket):
            one.close()
        for connection in tuple(self.connections):
            connection.abort()

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

    def _take(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = self._socket.accept()
            except BlockingIOError:
                return
            accepted.setblocking(False)
            task = loop.create_task(loop.connect_accepted_socket(lambda: _Connection(self), accepted))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)


def _open_socket() -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((LOOPBACK, 0))
    listening.setblocking(False)
    return listening


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
    endpoint.open()
    try:
        yield endpoint
    finally:
        endpoint.close()

"""Client for POST to one HTTP/1.1 endpoint: it writes a request in time or never, and reports which."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import NamedTuple, cast

from aiohappyeyeballs import start_connection
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from yarl import URL

CONNECT_TIMEOUT_SECONDS = 5.0
KEEPALIVE_TIMEOUT_SECONDS = 30.0
MAX_ANSWER_BYTES = 65_536
# RFC 8305, section 8.
NEXT_ADDRESS_DELAY_SECONDS = 0.25


class ConnectError(Exception):
    """No connection could be opened, so nothing was written; the message names the cause."""


class ConnectedLateError(Exception):
    """Opening a connection took too long for the send slot. The next request uses it."""


class WithheldError(Exception):
    """The request was no longer permitted when it was due to be written; nothing was written."""


class BrokenAnswerError(Exception):
    """The request was written but no complete answer came back: the receiver may have processed it."""


class HttpAnswer(NamedTuple):
    """HTTP answer: header names in lower case, the body cut to MAX_ANSWER_BYTES."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


class PostClient:
    """Client for POST to `url` on persistent connections, one request at a time on each.

    A connection that took longer than `late_seconds` to open serves only later requests. If the receiver closes each
    connection after its answer, a spare one is opened, so that the next request does not have to wait.
    """

    def __init__(self, url: str, *, headers: Mapping[str, str], late_seconds: float) -> None:
        self._url = URL(url)
        self._late_seconds = late_seconds
        self._ssl = ssl.create_default_context() if self._url.scheme == "https" else None
        self._idle: list[_Connection] = []
        self._spares: set[asyncio.Task[None]] = set()
        lines = [f"{name}: {value}" for name, value in {"Host": self._url.authority, **headers}.items()]
        if not all(line.isprintable() for line in lines):
            raise ValueError("a header of the endpoint has a line break or another control character")
        self._head = "\r\n".join((f"POST {self._url.raw_path_qs} HTTP/1.1", *lines, "Content-Length: ")).encode()

    def post(self, body: bytes, may_leave: Callable[[], bool]) -> asyncio.Future[HttpAnswer]:
        """Write the request if it `may_leave` at that moment, at once if a connection is open; return a future answer.

        The future fails with ConnectError, ConnectedLateError or WithheldError if nothing was written, else with
        BrokenAnswerError. Cancelling it only gives up the answer: the request may have been written.
        """
        if connection := self._take():
            return self._write(connection, body, may_leave)
        return asyncio.ensure_future(self._connect_and_write(body, may_leave))

    async def _connect_and_write(self, body: bytes, may_leave: Callable[[], bool]) -> HttpAnswer:
        return await self._write(await self._open(), body, may_leave)

    def _write(
        self, connection: "_Connection", body: bytes, may_leave: Callable[[], bool]
    ) -> asyncio.Future[HttpAnswer]:
        """Write without a task: a callback costs less, and the request leaves one turn of the event loop earlier."""
        answer: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()
        if may_leave():
            answer.add_done_callback(partial(self._finish, connection))
            connection.send(b"%b%d\r\n\r\n%b" % (self._head, len(body), body), answer)
        else:
            self._keep(connection)
            answer.set_exception(WithheldError())
        return answer

    def _finish(self, connection: "_Connection", answer: asyncio.Future[HttpAnswer]) -> None:
        if answer.cancelled() or answer.exception():
            connection.close()  # a late answer must not be taken for the next request's
        elif connection.is_free():
            self._keep(connection)
        else:
            spare = asyncio.ensure_future(self._open_spare())
            self._spares.add(spare)
            spare.add_done_callback(self._spares.discard)

    async def _open_spare(self) -> None:
        with suppress(ConnectError, ConnectedLateError):  # a late connection is kept already
            self._keep(await self._open())

    def close(self) -> None:
        """Close the idle connections."""
        for spare in self._spares:
            spare.cancel()
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> "_Connection | None":
        """Return the most recently used connection, so that surplus ones time out."""
        while self._idle:
            connection = self._idle.pop()
            if connection.measure_idle_seconds() < KEEPALIVE_TIMEOUT_SECONDS and connection.is_free():
                return connection
            connection.close()
        return None

    def _keep(self, connection: "_Connection") -> None:
        if connection.is_free():
            self._idle.append(connection)
        if self._idle and self._idle[0].measure_idle_seconds() >= KEEPALIVE_TIMEOUT_SECONDS:
            self._idle.pop(0).close()

    async def _open(self) -> "_Connection":
        started = time.monotonic()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                connection = await self._connect()
        except (OSError, TimeoutError) as error:
            raise ConnectError(_explain(error)) from None
        if not connection.is_free():
            raise ConnectError("closed at once")
        if time.monotonic() - started > self._late_seconds:
            self._keep(connection)
            raise ConnectedLateError
        return connection

    async def _connect(self) -> "_Connection":
        loop = asyncio.get_running_loop()
        host = self._url.raw_host or ""
        addresses = await loop.getaddrinfo(host, self._url.port, type=socket.SOCK_STREAM)
        sock = await start_connection(addresses, happy_eyeballs_delay=NEXT_ADDRESS_DELAY_SECONDS, interleave=1)
        try:
            _, connection = await loop.create_connection(
                _Connection, sock=sock, ssl=self._ssl, server_hostname=host if self._ssl else None
            )
        except BaseException:
            sock.close()
            raise
        return connection


def _explain(error: Exception) -> str:
    """Return the error's name, and the cause if an operator needs it to fix the connection."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"{type(error).__name__}: {error.verify_message}"
        case ssl.SSLError():
            return f"{type(error).__name__}: {error.reason}"
        case socket.gaierror():
            return f"{type(error).__name__}: {error.strerror}"
        case _:
            return type(error).__name__


class _Connection(asyncio.Protocol):
    """Open connection with at most one request in flight."""

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self._answer: asyncio.Future[HttpAnswer] | None = None
        self._used_at = time.monotonic()
        self._reset()

    def is_free(self) -> bool:
        """Return whether a request may be written: the connection is open, and no answer is pending."""
        return self._answer is None and not self._transport.is_closing()

    def measure_idle_seconds(self) -> float:
        """Return the seconds since the last answer."""
        return time.monotonic() - self._used_at

    def close(self) -> None:
        self._transport.abort()

    def send(self, request: bytes, answer: asyncio.Future[HttpAnswer]) -> None:
        """Write the request; the future `answer` ends with the answer or BrokenAnswerError."""
        self._answer = answer
        self._transport.write(request)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transport only behaves like one

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._fail(type(error).__name__)
        if self._received > MAX_ANSWER_BYTES and self._status:
            self._finish()
            self.close()
        elif self._received > 2 * MAX_ANSWER_BYTES:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        is_framed = b"content-length" in self._headers or b"transfer-encoding" in self._headers
        if self._status and not is_framed and exc is None:
            self._finish()  # RFC 9112, section 6.3: such a body ends with the connection
        self._fail(type(exc).__name__ if exc else "connection closed")

    def on_message_begin(self) -> None:
        if self._answer is None:
            self.close()  # an answer without a request

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        if (status := self._parser.get_status_code()) >= 200:
            self._status = status
        else:
            self._headers.clear()

    def on_body(self, piece: bytes) -> None:
        self._body += piece

    def on_message_complete(self) -> None:
        if self._status:
            is_kept = self._parser.should_keep_alive()
            self._finish()
            if not is_kept:
                self.close()

    def _finish(self) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_result(HttpAnswer(self._status, self._headers, bytes(self._body[:MAX_ANSWER_BYTES])))
            self._answer = None
            self._used_at = time.monotonic()
        self._reset()

    def _reset(self) -> None:
        self._status = self._received = 0
        self._headers: dict[bytes, bytes] = {}
        self._body = bytearray()

    def _fail(self, reason: str) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(BrokenAnswerError(reason))
        self.close()

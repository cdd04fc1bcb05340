"""HTTP port for untrusted clients: unchanged bodies, bounded memory per connection, no client data in logs."""

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from typing import cast

import structlog
from aiohttp import ClientError, HttpVersion11, StreamReader, hdrs, web, web_protocol, web_urldispatcher
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler, _ErrInfo

SERVER = "kreisfunk"
PIECE_BYTES = 16 * 1024
MAX_HEAD_BYTES = 16 * 1024
# Chunks of a few bytes cost a hundred times as much as their content, so most of a body has to be content. Its latest
# pieces may still be unparsed.
MIN_CONTENT_SHARE = 0.75
MAX_PENDING_BYTES = 2 * PIECE_BYTES
HEAD_END = b"\r\n\r\n"
# Chunks of less than 16 bytes in a piece: parsing a piece full of them takes as long as 100 requests.
MAX_TINY_CHUNKS = 400
TINY_CHUNK = re.compile(rb"\r\n0*[0-9a-fA-F](?:;[^\r\n]*)?(?=\r\n)")
FAILURE_LOG_INTERVAL_SECONDS = 60.0
# How much the kernel keeps of an answer that its client does not read, which counts as our container's memory, and for
# how long.
SEND_BUFFER_BYTES = 64 * 1024
UNREAD_TIMEOUT_MILLISECONDS = 30_000
# Below the default limit of open files, 1,024, which includes the connections to the broker.
MAX_CONNECTIONS = 800

# None of our clients sends a request before the response to the last one. aiohttp would parse 32 ahead, which with many
# headers are 1 MB for each connection, and it offers no setting for that.
MAX_PARSED_AHEAD = 2
web_protocol.MAX_MSG_QUEUE_SIZE = MAX_PARSED_AHEAD


async def send_continue(request: web.Request) -> None:
    """Send `100 Continue` to a client that asks for it; unlike aiohttp, never echo the header: it may not be text."""
    if request.version == HttpVersion11:
        if request.headers[hdrs.EXPECT].lower() != "100-continue":
            raise web.HTTPExpectationFailed
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the response itself has not begun


web_urldispatcher._default_expect_handler = send_continue


class _ParserError(_ErrInfo):
    """Parser error without text and traceback, which would hold the data read five times, in a reference cycle."""

    def __init__(self, *, status: int, **_: object) -> None:
        super().__init__(status=status, exc=HttpProcessingError(code=status), message="")


web_protocol._ErrInfo = _ParserError  # type: ignore[assignment,misc] # it offers no setting for that

_CAUSED_BY_CLIENTS = (ConnectionError, ClientError, HttpProcessingError, web.RequestPayloadError)
_piece = memoryview(bytearray(PIECE_BYTES))
_log = structlog.get_logger()


def add_response_headers(app: web.Application, headers: Mapping[str, str]) -> None:
    """Send these headers with every response that does not set them otherwise, and never `Server`."""

    async def set_headers(_: web.Request, response: web.StreamResponse) -> None:
        response.headers.pop(hdrs.SERVER, None)
        for name, value in headers.items():
            response.headers.setdefault(name, value)

    app.on_response_prepare.append(set_headers)


@dataclass
class FailureLog:
    """Log of our own exceptions, at most one per minute: clients may cause any number of them."""

    _logged_at: float | None = None

    def log(self, error: BaseException | None) -> None:
        """Log the exception with its traceback unless another was logged less than a minute ago."""
        now = time.monotonic()
        if self._logged_at is None or now - self._logged_at >= FAILURE_LOG_INTERVAL_SECONDS:
            self._logged_at = now
            _log.error("request_failed", cause=type(error).__name__, exc_info=error)


Respond = Callable[[int], web.Response]
ReportRefusal = Callable[[int], None]


class PublicHttpProtocol(RequestHandler):
    """Protocol that answers errors with the application's own responses and echoes nothing."""

    respond: Respond
    refused: ReportRefusal
    failures: FailureLog
    reader: "PieceReader"

    def data_received(self, data: bytes) -> None:
        """Parse; aiohttp also passes data that its parser held back until the previous body was read."""
        request_count = self._request_count
        try:
            super().data_received(data)
        except IndexError:  # of yarl, for a target such as http://[]@; the parser reports an error from now on
            super().data_received(data)
        if self._request_count != request_count:
            self.reader.begin_request(*self._messages[-1])

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the response to a malformed or failed request."""
        if isinstance(exc, _CAUSED_BY_CLIENTS):
            status = min(status, 400)
        else:
            self.failures.log(exc)
        if request.writer.output_size > 0:
            raise ConnectionError("a response has already been started")
        self.refused(status)
        response = self.respond(status)
        response.force_close()
        return response

    def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> Coroutine[None, None, tuple[web.StreamResponse, bool]]:
        """Send the response without software names and versions; drop the text of aiohttp's error responses."""
        if isinstance(error := resp, web.HTTPException):
            self.refused(error.status)
            resp = self.respond(error.status)
            if hdrs.ALLOW in error.headers:
                resp.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
        resp.headers.setdefault(hdrs.SERVER, SERVER)
        return super().finish_response(request, resp, start_time)

    def log_exception(self, *args: object, **kw: object) -> None:
        """Log what aiohttp reports, unless the client caused it."""
        error = kw.get("exc_info")
        if not isinstance(error, _CAUSED_BY_CLIENTS):
            self.failures.log(error if isinstance(error, BaseException) else None)


class ConnectionSlots:
    """Connections of a port, in the order of arrival.

    If there are too many, the oldest one that waits for its client is aborted: clients that send or read slowly or not
    at all cannot block WhatsApp, which does both at once.
    """

    def __init__(self) -> None:
        self._readers: dict[PieceReader, None] = {}

    def add(self, newcomer: "PieceReader") -> None:
        self._readers[newcomer] = None
        if len(self._readers) > MAX_CONNECTIONS:
            next(reader for reader in self._readers if reader.waits_for_client).cut_off()

    def remove(self, reader: "PieceReader") -> None:
        self._readers.pop(reader, None)


class PieceReader(asyncio.BufferedProtocol):
    """Protocol that reads from the socket in small pieces; uvloop otherwise reads 256 kB for each connection at once.

    Nothing more is parsed from a connection that sent something malformed, a head without an end, or requests ahead of
    their responses.
    """

    def __init__(self, handler: PublicHttpProtocol, slots: ConnectionSlots) -> None:
        self._handler = handler
        self._slots = slots
        self._transport: asyncio.Transport | None = None
        self._body: StreamReader = EMPTY_PAYLOAD
        self._head_bytes = 0
        self._body_bytes = 0
        self._is_broken = False

    @property
    def waits_for_client(self) -> bool:
        """Return whether every complete request has been answered, or an answer is not being read."""
        handler = self._handler
        is_idle = not handler._messages and (handler._current_request is None or not self._body.is_eof())
        return is_idle or handler.writing_paused

    def cut_off(self) -> None:
        """Abort the connection at once, whatever is in progress."""
        self._slots.remove(self)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        client = transport.get_extra_info("socket")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_TIMEOUT_MILLISECONDS)
        self._handler.connection_made(transport)
        self._slots.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._slots.remove(self)
        self._handler.connection_lost(exc)
        del self._handler.reader  # else both would wait for the garbage collector

    def pause_writing(self) -> None:
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._handler.resume_writing()

    def eof_received(self) -> None:
        self._handler.eof_received()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the one buffer of the process, which is emptied before another connection is read."""
        return _piece

    def buffer_updated(self, nbytes: int) -> None:
        """Pass the next piece to the parser, and check the result."""
        if self._is_broken:
            return
        piece = bytes(_piece[:nbytes])
        if _has_tiny_chunks(piece):
            if self._body.is_eof():
                self._parse(piece[: piece.find(HEAD_END) + len(HEAD_END)])
            self._give_up_body()
        else:
            self._parse(piece)

    def _parse(self, piece: bytes) -> None:
        handler, is_head = self._handler, self._body.is_eof()
        request_count = handler._request_count
        handler.data_received(piece)
        if handler._request_count != request_count:
            return
        if is_head:
            self._count_head(len(piece))
        else:
            self._count_body(len(piece))

    def begin_request(self, message: object, body: StreamReader) -> None:
        """Reset the counters for this request; its body begins with the bytes parsed together with its head."""
        if message.__class__ is _ParserError:
            self._give_up_body()
        elif len(self._handler._messages) >= MAX_PARSED_AHEAD:
            self._refuse()
        self._body, self._head_bytes, self._body_bytes = body, 0, 0

    def _give_up_body(self) -> None:
        """Raise an error in the handler that waits for the rest of this body, which cannot be parsed."""
        self._is_broken = True
        if not self._body.is_eof():
            self._body.set_exception(web.RequestPayloadError())

    def _count_head(self, nbytes: int) -> None:
        self._head_bytes += nbytes
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse()

    def _count_body(self, nbytes: int) -> None:
        """Give up a body that consists mostly of chunk sizes and their extensions."""
        self._body_bytes += nbytes
        if self._body.total_bytes + MAX_PENDING_BYTES < self._body_bytes * MIN_CONTENT_SHARE:
            self._give_up_body()

    def _refuse(self) -> None:
        self._is_broken = True
        self._handler.refused(400)
        self._handler.force_close()


def _has_tiny_chunks(piece: bytes) -> bool:
    if piece.count(b"\r\n") <= MAX_TINY_CHUNKS:
        return False
    return sum(1 for _ in islice(TINY_CHUNK.finditer(piece), MAX_TINY_CHUNKS + 1)) > MAX_TINY_CHUNKS


KEEPALIVE_TIMEOUT_SECONDS = 75.0
# An unread body fills up to twice this; then reading from its connection stops.
READ_BUFFER_BYTES = 16 * 1024


class _Server(web.Server):
    respond: Respond
    refused: ReportRefusal
    failures: FailureLog
    slots: ConnectionSlots

    def __call__(self) -> PieceReader:  # type: ignore[override] # asyncio takes either kind of protocol
        protocol = PublicHttpProtocol(self, loop=self._loop, **self._kwargs)
        protocol.respond, protocol.refused, protocol.failures = self.respond, self.refused, self.failures
        protocol.reader = PieceReader(protocol, self.slots)
        return protocol.reader


class _Runner(web.AppRunner):
    respond: Respond
    refused: ReportRefusal

    async def _make_server(self) -> web.Server:
        web_server = await super()._make_server()
        web_server.__class__ = _Server  # aiohttp offers no setting for the class of its protocol
        server = cast(_Server, web_server)
        server.respond, server.refused = self.respond, self.refused
        server.failures, server.slots = FailureLog(), ConnectionSlots()
        return server


@asynccontextmanager
async def open_http_port(
    app: web.Application, *, host: str, port: int, shutdown_seconds: float, respond: Respond, refused: ReportRefusal
) -> AsyncIterator[int]:
    """Serve until the block ends, then finish the requests in flight; yield the port number.

    `respond` builds the response to malformed HTTP (400) and to a failure of ours (500); `refused` gets the status of
    each response that did not come from a handler.
    """
    runner = _Runner(
        app,
        access_log=None,
        keepalive_timeout=KEEPALIVE_TIMEOUT_SECONDS,
        handler_cancellation=False,
        shutdown_timeout=shutdown_seconds,
        auto_decompress=False,
        read_bufsize=READ_BUFFER_BYTES,
    )
    runner.respond, runner.refused = respond, refused
    await runner.setup()
    site = web.TCPSite(runner, host, port, backlog=1024)
    await site.start()
    try:
        yield site.port
    finally:
        await runner.cleanup()

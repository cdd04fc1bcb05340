"""HTTP port for untrusted clients: bodies as sent, bounded memory for each request, no client data in logs."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

from aiohttp import web

from shared.runtime.http_protocol import ConnectionSlots, FailureLog, PieceReader, PublicHttpProtocol

KEEPALIVE_TIMEOUT_SECONDS = 75.0
# An unread body fills up to twice this; then its connection is not read any further.
READ_BUFFER_BYTES = 16 * 1024

Respond = Callable[[int], web.Response]
ReportRefusal = Callable[[int], None]


class _Server(web.Server):
    respond: Respond
    refused: ReportRefusal
    failures: FailureLog
    places: ConnectionSlots

    def __call__(self) -> PieceReader:  # type: ignore[override] # asyncio takes either kind of protocol
        protocol = PublicHttpProtocol(self, loop=self._loop, **self._kwargs)
        protocol.respond, protocol.refused, protocol.failures = self.respond, self.refused, self.failures
        return PieceReader(protocol, self.places)


class _Runner(web.AppRunner):
    respond: Respond
    refused: ReportRefusal

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        made.__class__ = _Server  # aiohttp offers no setting for the class of its protocol
        server = cast(_Server, made)
        server.respond, server.refused = self.respond, self.refused
        server.failures, server.places = FailureLog(), ConnectionSlots()
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

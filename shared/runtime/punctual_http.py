"""Requests that leave at their moment or not at all, over aiohttp."""

import asyncio
from collections.abc import Callable

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client import ClientTimeout
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace


class ConnectedLateError(Exception):
    """A new connection took so long that the slot is over."""


class GuardedBody(aiohttp.BytesPayload):
    """A body that asks at the moment of writing whether it may leave."""

    def __init__(self, value: bytes, may_leave: Callable[[], bool]) -> None:
        super().__init__(value, content_type="application/json")
        self._may_leave = may_leave
        self.withheld = False

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        if not self._may_leave():
            self.withheld = True
            raise OSError("withheld")
        await super().write_with_length(writer, content_length)


class PunctualConnector(aiohttp.TCPConnector):
    """Gives out connections that are open already; one that took longer than `late_seconds` to open is kept for the
    next request, and this one raises ConnectedLateError."""

    def __init__(self, late_seconds: float, *, limit: int, ttl_dns_cache: int, keepalive_timeout: float) -> None:
        super().__init__(limit=limit, ttl_dns_cache=ttl_dns_cache, keepalive_timeout=keepalive_timeout)
        self._late_seconds = late_seconds

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Connection:
        started = asyncio.get_running_loop().time()
        connection = await super().connect(req, traces, timeout)
        if isinstance(req.body, GuardedBody) and asyncio.get_running_loop().time() - started > self._late_seconds:
            connection.release()
            raise ConnectedLateError
        return connection

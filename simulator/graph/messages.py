"""The messages endpoint: the only path where speed matters, and the only one affected by faults."""

import asyncio
from dataclasses import dataclass

from aiohttp import web

from simulator.access import respond_json
from simulator.faults import Interference
from simulator.graph.access import GraphAccess, require_id
from simulator.graph.errors import GraphError
from simulator.graph.sending import MessageAcceptor
from simulator.parts import SimulatorParts

# A client that waits longer than this for a response has no timeout.
HOLD_TIMEOUT_SECONDS = 300
HOLD_POLL_INTERVAL_SECONDS = 1.0


@dataclass
class MessagesRoute:
    """POST /{version}/{phone-number-id}/messages."""

    parts: SimulatorParts
    access: GraphAccess

    def __post_init__(self) -> None:
        self._acceptor = MessageAcceptor(self.parts)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        try:
            self.access.check(request)
            interference = self.parts.faults.plan_next_request()
            self.parts.message_log.attempts.append(self.parts.clock())
            if interference.hold and not interference.hold_accepts:
                return await self._hold(request)
            require_id(request, "object", self.parts.settings.phone_number_id)
            answer = web.Response(body=self._acceptor.handle(body, interference), content_type="application/json")
        except GraphError as error:
            self.parts.message_log.rejected[error.code] += 1
            return respond_json(error.body, status=error.status)
        return await self._apply_interference(request, answer, interference)

    async def _apply_interference(
        self, request: web.Request, answer: web.Response, interference: Interference
    ) -> web.StreamResponse:
        """Delay, withhold or cut off the answer to a message that is already accepted and logged."""
        if interference.delay_seconds:
            await self._wait_for_stop(interference.delay_seconds)
        if interference.hold:
            return await self._hold(request)
        if interference.cut or interference.vanish:
            return _cut(request)
        return answer

    async def _hold(self, request: web.Request) -> web.StreamResponse:
        """Never answer: wait until the client disconnects, the process stops or HOLD_TIMEOUT_SECONDS have passed."""
        deadline = self.parts.clock() + HOLD_TIMEOUT_SECONDS
        while self.parts.clock() < deadline and request.transport is not None and not request.transport.is_closing():
            if await self._wait_for_stop(HOLD_POLL_INTERVAL_SECONDS):
                break
        return _cut(request)

    async def _wait_for_stop(self, seconds: float) -> bool:
        """Wait until the process is to stop; return False if that takes longer than `seconds`."""
        try:
            await asyncio.wait_for(self.parts.stopping.wait(), seconds)
        except TimeoutError:
            return False
        return True


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()

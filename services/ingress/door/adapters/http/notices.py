"""`/notices`: publish and check."""

from aiohttp import hdrs, web

from services.ingress.door.adapters.http.answers import answer
from services.ingress.door.adapters.http.requests import caller_of, received
from services.ingress.door.domain.receipts import Outlooks, Receipts
from services.ingress.door.handlers.desk import Desk

DESK = web.AppKey("desk", Desk)


async def publish(request: web.Request) -> web.Response:
    """202 when the broker has it, with the place to follow it."""
    caller = caller_of(request)
    written, receipts = await request.app[DESK].take(await received(request), caller)
    location = {str(hdrs.LOCATION): receipts[0].event} if len(receipts) == 1 else None
    return answer(Receipts(events=tuple(receipts)) if written.batch else receipts[0], 202, location)


async def check(request: web.Request) -> web.Response:
    """What would happen; nothing does."""
    caller = caller_of(request)
    written, outlooks = await request.app[DESK].check(await received(request), caller)
    return answer(Outlooks(events=tuple(outlooks)) if written.batch else outlooks[0])

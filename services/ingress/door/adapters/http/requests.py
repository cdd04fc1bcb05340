"""What comes in: who it is from, and its body within bounds."""

import asyncio
from collections.abc import Sequence

from aiohttp import hdrs, web

from services.ingress.door.domain.clients import Network, client_address
from services.ingress.door.domain.judging import Caller
from services.ingress.door.domain.refusals import Kind, Refusal
from services.ingress.door.domain.writing import Request
from services.ingress.door.handlers.guard import Guard

LARGEST_BODY = 256 * 1024
READ_SECONDS = 10.0
GUARD = web.AppKey("guard", Guard)
PROXIES: web.AppKey[Sequence[Network]] = web.AppKey("proxies")


def caller_of(request: web.Request) -> Caller:
    """Who has come. Raises Refusal."""
    shown = request.headers.getall(hdrs.AUTHORIZATION, [])
    forwarded = ",".join(request.headers.getall(hdrs.X_FORWARDED_FOR, []))
    address = client_address(request.remote, forwarded, request.app[PROXIES])
    return request.app[GUARD].admit(shown[0] if len(shown) == 1 else None, address)


async def received(request: web.Request) -> Request:
    """The whole request. Raises Refusal."""
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise Refusal(Kind.MEDIA, "Send the content as it is, without Content-Encoding.")
    headers = [(name.lower(), value) for name, value in request.headers.items()]
    return Request(headers=headers, body=await _body(request))


async def _body(request: web.Request) -> bytes:
    if (request.content_length or 0) > LARGEST_BODY:
        raise _too_large()
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _too_large() from None
    except TimeoutError:
        raise Refusal(Kind.TOO_SLOW, f"The content has to arrive within {READ_SECONDS:g} seconds.") from None
    except web.RequestPayloadError:
        raise Refusal(Kind.UNREADABLE, "The content is not transferred correctly.") from None


def _too_large() -> Refusal:
    return Refusal(Kind.TOO_LARGE, f"The content may have {LARGEST_BODY} bytes.")

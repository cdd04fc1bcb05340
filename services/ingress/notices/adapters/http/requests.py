"""Reading of API requests: the caller, and the body within limits."""

import asyncio
from collections.abc import Sequence

from aiohttp import hdrs, web

from services.ingress.notices.domain.errors import ApiError, ErrorType
from services.ingress.notices.domain.parsing import RawRequest
from services.ingress.notices.domain.validation import Caller
from services.ingress.notices.handlers.auth import Authenticator
from shared.runtime.client_address import Network, find_client_address

MAX_BODY_BYTES = 256 * 1024
READ_TIMEOUT_SECONDS = 10.0
AUTHENTICATOR = web.AppKey("authenticator", Authenticator)
PROXIES: web.AppKey[Sequence[Network]] = web.AppKey("proxies")


def authenticate_caller(request: web.Request) -> Caller:
    """Return the authenticated caller. Raises ApiError."""
    shown = request.headers.getall(hdrs.AUTHORIZATION, [])
    forwarded = ",".join(request.headers.getall(hdrs.X_FORWARDED_FOR, []))
    address = find_client_address(request.remote, forwarded, request.app[PROXIES])
    return request.app[AUTHENTICATOR].authenticate(shown[0] if len(shown) == 1 else None, address)


async def read_api_request(request: web.Request) -> RawRequest:
    """Return the headers and the whole body. Raises ApiError."""
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise ApiError(ErrorType.MEDIA, "Send the content as it is, without Content-Encoding.")
    headers = [(name.lower(), value) for name, value in request.headers.items()]
    return RawRequest(headers=headers, body=await _read_body(request))


async def _read_body(request: web.Request) -> bytes:
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise _build_too_large_error()
    try:
        async with asyncio.timeout(READ_TIMEOUT_SECONDS):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _build_too_large_error() from None
    except TimeoutError:
        raise ApiError(
            ErrorType.TOO_SLOW, f"The content has to arrive within {READ_TIMEOUT_SECONDS:g} seconds."
        ) from None
    except web.RequestPayloadError:
        raise ApiError(ErrorType.UNREADABLE, "The content is not transferred correctly.") from None


def _build_too_large_error() -> ApiError:
    return ApiError(ErrorType.TOO_LARGE, f"The content may have {MAX_BODY_BYTES} bytes.")

"""HTTP responses: JSON, and problem details for every error."""

from collections.abc import Mapping

import msgspec
from aiohttp import hdrs, web

from services.ingress.notices.domain.errors import PROBLEM_MEDIA_TYPE, ApiError

_SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


def build_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json", headers=headers
    )


def build_error_response(error: ApiError) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(error.details),
        status=error.error_type.status,
        content_type=PROBLEM_MEDIA_TYPE,
        headers=error.headers,
    )


async def set_security_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Set headers against caching, content sniffing and embedding; remove `Server`."""
    response.headers.pop(hdrs.SERVER, None)
    for name, value in _SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)

"""Answers: JSON, and problem details for every error."""

from collections.abc import Mapping

import msgspec
from aiohttp import hdrs, web

from services.ingress.door.domain.refusals import MEDIA_TYPE, Refusal

_PLAIN = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


def answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json", headers=headers
    )


def refused(refusal: Refusal) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(refusal.details),
        status=refusal.kind.status,
        content_type=MEDIA_TYPE,
        headers=refusal.headers,
    )


async def say_little(_: web.Request, response: web.StreamResponse) -> None:
    """No answer is kept, guessed about, or tells what it was made with."""
    response.headers.pop(hdrs.SERVER, None)
    for name, value in _PLAIN.items():
        response.headers.setdefault(name, value)

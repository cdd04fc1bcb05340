"""Documentation pages of the notices API; they hold no secrets and need no token."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
from aiohttp import web

from services.ingress.notices.domain.docs_page import render_page
from services.ingress.notices.domain.openapi import build_openapi
from shared import contracts

ASYNCAPI = Path(contracts.__file__).parent / "asyncapi.json"
ASYNCAPI_CAPTION = "AsyncAPI 3: the same over AMQP, and what is told"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


def add_docs_routes(app: web.Application) -> None:
    """Add `/openapi.json`, `/asyncapi.json` if the file exists, and the page that links to both."""
    document = build_openapi()
    others = {"/asyncapi.json": ASYNCAPI_CAPTION} if ASYNCAPI.exists() else {}
    html = render_page(document, others).encode()
    for path in ("/", "/docs"):
        app.router.add_get(path, _make_handler(html, "text/html"), allow_head=False)
    app.router.add_get(
        "/openapi.json", _make_handler(msgspec.json.encode(document), "application/json"), allow_head=False
    )
    if others:
        app.router.add_get("/asyncapi.json", _make_handler(ASYNCAPI.read_bytes(), "application/json"), allow_head=False)


def _make_handler(body: bytes, media: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def say(_: web.Request) -> web.Response:
        return web.Response(
            body=body, content_type=media, charset="utf-8", headers={"Content-Security-Policy": _POLICY}
        )

    return say

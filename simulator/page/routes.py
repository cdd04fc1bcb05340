"""Routes that serve the page and its assets from the package, under a policy that allows no other content."""

from functools import partial
from importlib.resources import files

from aiohttp import web

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
PARTS = {
    "/": ("index.html", "text/html"),
    "/phones.css": ("phones.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/phone.js": ("phone.js", "text/javascript"),
    "/connection.js": ("connection.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


def build_routes() -> list[web.RouteDef]:
    folder = files("simulator.page")
    return [
        web.get(path, partial(_send, folder.joinpath(name).read_bytes(), content_type))
        for path, (name, content_type) in PARTS.items()
    ]


async def _send(body: bytes, content_type: str, _: web.Request) -> web.Response:
    return web.Response(body=body, content_type=content_type, charset="utf-8", headers=HEADERS)

"""Styles, scripts and fonts: read once, sent compressed, cached by browsers for good under a path with their hash."""

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from aiohttp import web

OWN = Path(__file__).parent / "static"
KERN_STYLES = ("kern.min.css", "fonts/fira-sans.css")
_MEDIA: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
}
_COMPRESSED = frozenset({".css", ".js", ".svg"})


@dataclass(frozen=True)
class _StaticFile:
    media: str
    body: bytes
    compressed: bytes | None


class StaticFiles:
    """Our own static files, and those of the design system KERN where its folder exists.

    The hash in the path is of all files together, since style sheets refer to fonts beside them.
    """

    def __init__(self, assets: Path) -> None:
        self._files = dict(_read_files(assets))
        digest = sha256()
        for name, file in sorted(self._files.items()):
            digest.update(name.encode() + b"\0" + file.body)
        self._prefix = f"/static/{digest.hexdigest()[:16]}"
        self.has_kern = f"kern/{KERN_STYLES[0]}" in self._files
        names = [f"kern/{name}" for name in KERN_STYLES] if self.has_kern else ["fallback.css"]
        self.style_sheets = [self.get_path(name) for name in (*names, "newsroom.css")]

    def get_path(self, name: str) -> str:
        """Return the path of a file. Raises KeyError if there is none of this name."""
        self._files[name]
        return f"{self._prefix}/{name}"

    def add_routes(self, app: web.Application) -> None:
        """Serve the files."""
        app.router.add_get("/static/{digest}/{name:.+}", self._serve, allow_head=False)

    async def _serve(self, request: web.Request) -> web.Response:
        file = self._files.get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        headers = {"Content-Type": file.media, "Cache-Control": "public, max-age=31536000, immutable"}
        if file.compressed is not None:
            headers["Vary"] = "Accept-Encoding"
            if "gzip" in request.headers.get("Accept-Encoding", ""):
                return web.Response(body=file.compressed, headers={**headers, "Content-Encoding": "gzip"})
        return web.Response(body=file.body, headers=headers)


def _read_files(assets: Path) -> Iterator[tuple[str, _StaticFile]]:
    for prefix, folder in (("", OWN), ("kern/", assets)):
        for path in sorted(folder.rglob("*")):
            if path.suffix in _MEDIA and path.is_file():
                body = path.read_bytes()
                compressed = gzip.compress(body, mtime=0) if path.suffix in _COMPRESSED else None
                yield (
                    f"{prefix}{path.relative_to(folder).as_posix()}",
                    _StaticFile(_MEDIA[path.suffix], body, compressed),
                )

"""Documents that are compressed and hashed once and sent to any number of visitors."""

import gzip
import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from aiohttp import hdrs, web
from multidict import CIMultiDict

MIN_COMPRESSED_BYTES = 1_000
OWN = Path(__file__).parent / "static"
KERN_STYLES = ("kern.min.css", "fonts/fira-sans.css")
_REFUSES_GZIP = re.compile(r"gzip\s*;\s*q=0(?:\.0*)?\s*(?:,|$)")
_MEDIA: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
}


class HttpDocument:
    """One document with its headers."""

    def __init__(self, body: bytes, content_type: str, cache_control: str) -> None:
        self._plain = body
        compressed = gzip.compress(body, mtime=0) if len(body) >= MIN_COMPRESSED_BYTES else body
        self._compressed = compressed if len(compressed) < len(body) else None
        # Both encodings share the tag, so it has to be weak.
        self._digest = hashlib.sha256(body).hexdigest()[:20]
        self.tag = f'W/"{self._digest}"'
        self._headers = CIMultiDict(
            {
                hdrs.CONTENT_TYPE: content_type,
                hdrs.CACHE_CONTROL: cache_control,
                hdrs.ETAG: self.tag,
                hdrs.VARY: hdrs.ACCEPT_ENCODING,
            }
        )

    def respond(self, request: web.Request) -> web.Response:
        """Return the document, or 304 if the client has it already."""
        headers = self._headers.copy()
        if any(tag.value in (self._digest, "*") for tag in request.if_none_match or ()):
            del headers[hdrs.CONTENT_TYPE]
            return web.Response(status=304, headers=headers)
        accepted = request.headers.get(hdrs.ACCEPT_ENCODING, "")
        if self._compressed and "gzip" in accepted and not _REFUSES_GZIP.search(accepted):
            headers[hdrs.CONTENT_ENCODING] = "gzip"
            return web.Response(body=self._compressed, headers=headers)
        return web.Response(body=self._plain, headers=headers)


class StaticFiles:
    """Our own static files, and those of the design system KERN if its folder exists.

    The hash in the path covers all files, since style sheets refer to fonts by relative paths.
    """

    def __init__(self, assets: Path) -> None:
        self._files = dict(_read_files(assets))
        tags = "".join(f"{name}{document.tag}" for name, document in sorted(self._files.items()))
        self._prefix = f"/static/{hashlib.sha256(tags.encode()).hexdigest()[:16]}"
        self.has_kern = f"kern/{KERN_STYLES[0]}" in self._files
        styles = [f"kern/{name}" for name in KERN_STYLES] if self.has_kern else ["fallback.css"]
        self.base_styles = [self.get_path(name) for name in styles]

    def get_path(self, name: str) -> str:
        """Return the path of a file. Raises KeyError if there is none of this name."""
        self._files[name]
        return f"{self._prefix}/{name}"

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/static/{digest}/{name:.+}", self._serve, allow_head=False)

    async def _serve(self, request: web.Request) -> web.Response:
        document = self._files.get(request.match_info["name"])
        if document is None:
            raise web.HTTPNotFound
        response = document.respond(request)
        if not request.path.startswith(f"{self._prefix}/"):  # a page of another release, during an update
            response.headers[hdrs.CACHE_CONTROL] = "no-store"
        return response


def _read_files(assets: Path) -> Iterator[tuple[str, HttpDocument]]:
    for prefix, folder in (("", OWN), ("kern/", assets)):
        for path in sorted(folder.rglob("*")):
            if path.suffix in _MEDIA and path.is_file():
                name = f"{prefix}{path.relative_to(folder).as_posix()}"
                yield name, HttpDocument(path.read_bytes(), _MEDIA[path.suffix], "public, max-age=31536000, immutable")

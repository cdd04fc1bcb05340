"""Documents of the archive as they leave: encoded, compressed and named once, sent to any number of visitors."""

import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import msgspec
from aiohttp import hdrs, web
from multidict import CIMultiDict

from services.newsroom.domain.archive import Archive
from services.newsroom.domain.service_level import PERCENT, ServiceLevel
from services.newsroom.handlers.archive_cache import ArchiveCache

MAX_DOCUMENTS = 512
MIN_COMPRESSED_BYTES = 1_000
# Proxies may go on showing what they have while they ask again, and for a day while we are away.
CACHE_CONTROL = "public, max-age=15, stale-while-revalidate=60, stale-if-error=86400"
SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
HTML = "text/html; charset=utf-8"


class ArchiveDocument:
    """One document with its headers."""

    def __init__(self, body: bytes, content_type: str, cache_control: str = CACHE_CONTROL) -> None:
        self._plain = body
        compressed = gzip.compress(body, mtime=0) if len(body) >= MIN_COMPRESSED_BYTES else body
        self._compressed = compressed if len(compressed) < len(body) else None
        # The same name for both encodings, so a weak one.
        self._tag = f'W/"{hashlib.sha256(body).hexdigest()[:20]}"'
        self._headers = CIMultiDict(
            {
                hdrs.CONTENT_TYPE: content_type,
                hdrs.CACHE_CONTROL: cache_control,
                hdrs.ETAG: self._tag,
                hdrs.VARY: hdrs.ACCEPT_ENCODING,
            }
        )

    def respond(self, request: web.Request, status: int = 200) -> web.Response:
        """Return the document, or 304 if the visitor has it."""
        headers = self._headers.copy()
        if self._tag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
            del headers[hdrs.CONTENT_TYPE]
            return web.Response(status=304, headers=headers)
        if self._compressed and "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
            headers[hdrs.CONTENT_ENCODING] = "gzip"
            return web.Response(body=self._compressed, status=status, headers=headers)
        return web.Response(body=self._plain, status=status, headers=headers)


class ArchiveDocuments:
    """Documents made from the present state of the archive; a new state empties it."""

    def __init__(self, cache: ArchiveCache) -> None:
        self._cache = cache
        self._archive: Archive | None = None
        self._documents: OrderedDict[object, ArchiveDocument] = OrderedDict()

    @property
    def archive(self) -> Archive:
        """Return the present state. Raises HTTPServiceUnavailable before the first."""
        if self._cache.archive is None:
            raise web.HTTPServiceUnavailable
        return self._cache.archive

    def get(
        self, key: object, build: Callable[[Archive], str | bytes | None], content_type: str = HTML
    ) -> ArchiveDocument:
        """Return the document of this key, made if it is not there. Raises HTTPNotFound if there is none."""
        archive = self.archive
        if archive is not self._archive:
            self._archive = archive
            self._documents.clear()
        document = self._documents.get(key)
        if document is None:
            document = self._documents[key] = _build_document(build(archive), content_type)
            if len(self._documents) > MAX_DOCUMENTS:
                self._documents.popitem(last=False)
        else:
            self._documents.move_to_end(key)
        return document


def _build_document(content: str | bytes | None, content_type: str) -> ArchiveDocument:
    if content is None:
        raise web.HTTPNotFound
    return ArchiveDocument(content.encode() if isinstance(content, str) else content, content_type)


def encode_levels(levels: Sequence[ServiceLevel]) -> bytes:
    """Return the results as JSON, with names that say what is counted."""
    return msgspec.json.encode(
        {
            "percent_accepted": PERCENT,
            "periods": [
                {
                    "days": level.days,
                    "urgent": level.is_urgent,
                    "broadcasts": level.broadcasts,
                    "messages": level.people,
                    "seconds_for_half_of_broadcasts": level.half_seconds,
                    "seconds_for_95_percent_of_broadcasts": level.most_seconds,
                }
                for level in levels
            ],
        }
    )

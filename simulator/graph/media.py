"""Uploaded media in memory; the oldest are evicted to make room for new ones."""

import hashlib
import itertools
from collections import OrderedDict

from msgspec import Struct

from simulator.graph.errors import GraphError

MEGABYTE = 1024 * 1024
MAX_STORED_BYTES = 256 * MEGABYTE
FIRST_MEDIA_ID = 900_100
# Meta's limits per media type.
MAX_BYTES_BY_TYPE = {
    "image/jpeg": 5 * MEGABYTE,
    "image/png": 5 * MEGABYTE,
    "application/pdf": 100 * MEGABYTE,
    "text/plain": 100 * MEGABYTE,
    "video/mp4": 16 * MEGABYTE,
    "audio/mpeg": 16 * MEGABYTE,
    "audio/ogg": 16 * MEGABYTE,
}


class StoredMedia(Struct, frozen=True):
    id: str
    mime_type: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


class MediaStore:
    """Uploaded files by id."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, StoredMedia] = OrderedDict()
        self._bytes = 0
        self._ids = itertools.count(FIRST_MEDIA_ID)

    def has(self, media: str) -> bool:
        return media in self._kept

    def find(self, media: str) -> StoredMedia | None:
        return self._kept.get(media)

    def store(self, mime_type: str, content: bytes) -> StoredMedia:
        """Store a file; raise Meta's error 131053 if its type or size is not supported."""
        if not content or len(content) > get_size_limit(mime_type):
            raise GraphError(131053, "The file is empty or too large for its type.")
        media = StoredMedia(str(next(self._ids)), mime_type, content)
        self._kept[media.id] = media
        self._bytes += len(content)
        while self._bytes > MAX_STORED_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest.content)
        return media


def get_size_limit(mime_type: str) -> int:
    """Return the size limit of this type in bytes; raise Meta's error 131053 for unsupported types."""
    limit = MAX_BYTES_BY_TYPE.get(mime_type)
    if limit is None:
        raise GraphError(131053, "Files of this type are not supported.")
    return limit

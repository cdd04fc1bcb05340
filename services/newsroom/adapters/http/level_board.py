"""The service level as page and as JSON, made anew only when a result changes."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from aiohttp import web

from services.newsroom.adapters.http.archive_documents import HTML, ArchiveDocument
from services.newsroom.adapters.http.archive_pages import ArchivePages
from services.newsroom.domain.service_level import PERCENT, ServiceLevel
from services.newsroom.handlers.archive_cache import ServiceLevelCache


class _Documents(NamedTuple):
    levels: tuple[ServiceLevel, ...]
    page: ArchiveDocument
    json: ArchiveDocument


class LevelBoard:
    """Board of the present results."""

    def __init__(self, cache: ServiceLevelCache, pages: ArchivePages) -> None:
        self._cache = cache
        self._pages = pages
        self._documents: _Documents | None = None

    def get_page(self) -> ArchiveDocument:
        """Return the page. Raises HTTPServiceUnavailable before the first results."""
        return self._get_documents().page

    def get_json(self) -> ArchiveDocument:
        """Return the results as JSON. Raises HTTPServiceUnavailable before the first."""
        return self._get_documents().json

    def _get_documents(self) -> _Documents:
        levels = self._cache.levels
        if levels is None:
            raise web.HTTPServiceUnavailable
        if self._documents is None or self._documents.levels is not levels:
            page = ArchiveDocument(self._pages.render_levels(levels).encode(), HTML)
            self._documents = _Documents(levels, page, ArchiveDocument(_encode_levels(levels), "application/json"))
        return self._documents


def _encode_levels(levels: Sequence[ServiceLevel]) -> bytes:
    """Return the results with names that say what is counted."""
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

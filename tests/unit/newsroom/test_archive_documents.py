"""Documents of the archive: made once for each state, and never more than a bounded number."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest
from aiohttp import web

from services.newsroom.adapters.http.archive_documents import MAX_DOCUMENTS, ArchiveDocuments
from services.newsroom.domain.archive import Archive, ArchiveEntry
from services.newsroom.handlers.archive_cache import ArchiveCache
from shared.database.pool import DatabaseUnavailable
from tests.factories.archive import NOW, build_entry


class ChangingSource:
    """An empty archive whose digest a test changes."""

    digest = 0

    async def compute_digest(self, since: datetime) -> int:
        return self.digest

    async def read_entries(self, since: datetime) -> Sequence[ArchiveEntry]:
        return ()


def count_calls(made: list[object], key: object) -> Callable[[Archive], str]:
    def build(_: Archive) -> str:
        made.append(key)
        return str(key)

    return build


@pytest.fixture
def source() -> ChangingSource:
    return ChangingSource()


@pytest.fixture
async def cache(source: ChangingSource) -> ArchiveCache:
    cache = ArchiveCache(source, lambda: NOW, timedelta(days=1))
    await cache.refresh()
    return cache


async def test_a_document_is_made_once_for_each_state(source: ChangingSource, cache: ArchiveCache) -> None:
    documents, made = ArchiveDocuments(cache), list[object]()
    first = documents.get("a", count_calls(made, "a"))
    assert documents.get("a", count_calls(made, "a")) is first
    await cache.refresh()
    assert documents.get("a", count_calls(made, "a")) is first
    source.digest = 1
    await cache.refresh()
    documents.get("a", count_calls(made, "a"))
    assert made == ["a", "a"]


async def test_what_was_asked_for_longest_ago_makes_room(cache: ArchiveCache) -> None:
    documents, made = ArchiveDocuments(cache), list[object]()
    for key in range(MAX_DOCUMENTS):
        documents.get(key, count_calls(made, key))
    documents.get(0, count_calls(made, 0))
    documents.get("new", count_calls(made, "new"))
    documents.get(0, count_calls(made, 0))
    documents.get(1, count_calls(made, 1))
    assert made == [*range(MAX_DOCUMENTS), "new", 1]


async def test_what_does_not_exist_is_not_kept(cache: ArchiveCache) -> None:
    documents, made = ArchiveDocuments(cache), list[object]()
    with pytest.raises(web.HTTPNotFound):
        documents.get("a", lambda _: None)
    documents.get("a", count_calls(made, "a"))
    assert made == ["a"]


async def test_before_the_first_state_there_is_nothing(source: ChangingSource) -> None:
    with pytest.raises(web.HTTPServiceUnavailable):
        ArchiveDocuments(ArchiveCache(source, lambda: NOW, timedelta(days=1))).get("a", lambda _: "a")


async def test_what_expires_while_the_database_is_away_is_shown_as_expired() -> None:
    entry = build_entry(expires_at=NOW + timedelta(minutes=1))
    moments = iter((NOW, NOW + timedelta(minutes=2)))

    class FailingSource(ChangingSource):
        async def read_entries(self, since: datetime) -> Sequence[ArchiveEntry]:
            return (entry,)

        async def compute_digest(self, since: datetime) -> int:
            if self.digest:
                raise DatabaseUnavailable("away")
            return self.digest

    source = FailingSource()
    cache = ArchiveCache(source, lambda: next(moments), timedelta(days=1))
    await cache.refresh()
    before = cache.archive
    source.digest = 1
    with pytest.raises(DatabaseUnavailable):
        await cache.refresh()
    assert before is not None
    assert cache.archive is not None
    assert (before.changes_at, cache.archive.changes_at) == (entry.expires_at, None)

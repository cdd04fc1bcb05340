"""Documents: styles, scripts and fonts, and pages of the archive, made once for each state and bounded in number."""

import gzip
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.newsroom.adapters.broadcasts import ArchiveEntryReader
from services.newsroom.domain.archive import Archive, ArchiveEntry
from services.newsroom.handlers.archive_cache import ArchiveCache
from services.newsroom.http.archive_app import MAX_DOCUMENTS, ArchiveDocuments
from services.newsroom.http.documents import OWN, StaticFiles
from shared.database.pool import DatabaseUnavailable
from tests.factories.archive import NOW, build_entry

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def kern(tmp_path: Path) -> Path:
    (tmp_path / "fonts" / "fira-sans").mkdir(parents=True)
    (tmp_path / "kern.min.css").write_text("body {}" * 200)
    (tmp_path / "fonts" / "fira-sans.css").write_text("@font-face {}")
    (tmp_path / "fonts" / "fira-sans" / "FiraSans-Light.woff2").write_bytes(b"font")
    (tmp_path / "secret.txt").write_text("not for browsers")
    return tmp_path


@pytest.fixture
async def client(kern: Path) -> AsyncIterator[Client]:
    app = web.Application()
    StaticFiles(kern).add_routes(app)
    async with TestClient(TestServer(app), auto_decompress=False) as opened:
        yield opened


def test_with_the_design_system_its_styles_come_first_and_without_it_there_is_a_plain_one(kern: Path) -> None:
    for folder, expected in ((kern, ["kern/kern.min.css", "kern/fonts/fira-sans.css"]), (kern / "x", ["fallback.css"])):
        static = StaticFiles(folder)
        assert [path.split("/", 3)[3] for path in static.base_styles] == expected
        assert static.has_kern is (folder == kern)


async def test_files_are_cached_for_good_and_sent_compressed(client: Client, kern: Path) -> None:
    path = StaticFiles(kern).get_path("kern/kern.min.css")
    plain = await client.get(path, headers={"Accept-Encoding": "identity"})
    zipped = await client.get(path, headers={"Accept-Encoding": "br, gzip"})
    assert "immutable" in plain.headers["Cache-Control"]
    assert (plain.headers["Content-Type"], zipped.headers["Content-Encoding"]) == ("text/css; charset=utf-8", "gzip")
    assert gzip.decompress(await zipped.read()) == await plain.read() == b"body {}" * 200
    for refused in ("gzip;q=0", "gzip; q=0.000, br", "identity"):
        found = await client.get(path, headers={"Accept-Encoding": refused})
        assert "Content-Encoding" not in found.headers, refused


@pytest.mark.parametrize(
    ("has", "status"), [("{}", 304), ('"x", {}', 304), ("W/{}", 304), ("*", 304), ('"x{}', 200), ('W/""', 200)]
)
async def test_a_client_that_has_it_in_either_encoding_gets_nothing(
    client: Client, kern: Path, has: str, status: int
) -> None:
    """A proxy that unpacks what it passes on may make a strong tag of ours."""
    path = StaticFiles(kern).get_path("kern/kern.min.css")
    tag = (await client.get(path)).headers["ETag"].removeprefix("W/")
    assert (await client.get(path, headers={"If-None-Match": has.format(tag)})).status == status


async def test_a_file_is_not_kept_under_the_path_of_another_release(client: Client, kern: Path) -> None:
    """During an update a page of the new process may get its files from the old one."""
    before = StaticFiles(kern).get_path("newsroom.css")
    (kern / "kern.min.css").write_text("body { color: red }")
    static = StaticFiles(kern)
    assert static.get_path("newsroom.css") != before
    newer = await client.get(static.get_path("kern/kern.min.css"))
    assert (newer.status, newer.headers["Cache-Control"]) == (200, "no-store")
    with pytest.raises(KeyError):
        static.get_path("no-such-file.css")


@pytest.mark.parametrize("name", ["kern/secret.txt", "no-such.css", "..%2f..%2fdocuments.py", "kern/..%2fsecret.txt"])
async def test_nothing_else_is_served(name: str, client: Client) -> None:
    assert (await client.get(f"/static/x/{name}")).status == 404


def test_our_own_styles_and_scripts_load_nothing_from_elsewhere() -> None:
    for path in OWN.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "//" not in text.replace("// ", ""), path.name
        assert "@import" not in text


@dataclass
class ChangingSource(ArchiveEntryReader):
    """An archive whose digest a test changes."""

    digest: int = 0
    entries: tuple[ArchiveEntry, ...] = ()
    is_away: bool = False

    async def compute_digest(self, since: datetime) -> int:
        if self.is_away:
            raise DatabaseUnavailable("away")
        return self.digest

    async def read_entries(self, since: datetime) -> Sequence[ArchiveEntry]:
        return self.entries


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


async def test_what_expires_while_the_database_is_away_is_shown_as_expired(source: ChangingSource) -> None:
    entry = build_entry(expires_at=NOW + timedelta(minutes=1))
    source.entries = (entry,)
    moments = iter((NOW, NOW + timedelta(minutes=2)))
    cache = ArchiveCache(source, lambda: next(moments), timedelta(days=1))
    await cache.refresh()
    before = cache.archive
    source.is_away = True
    with pytest.raises(DatabaseUnavailable):
        await cache.refresh()
    assert before is not None
    assert cache.archive is not None
    assert (before.changes_at, cache.archive.changes_at) == (entry.expires_at, None)

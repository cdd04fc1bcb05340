"""The public service level over HTTP: what it says, what it costs, and that it stays while the database is away."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from shared.database.pool import Database, DatabaseUnavailable
from tests.databases import FreshDatabase
from tests.factories.archive import NOW
from tests.harness.archive import ArchiveHarness, open_newsroom_database, run_archive
from tests.harness.writing_desk import add_broadcast
from tests.servers import Servers, run_as_superuser


@pytest.fixture
async def pool(database: FreshDatabase) -> AsyncIterator[Database]:
    async with open_newsroom_database(database) as pool:
        yield pool


@pytest.fixture
async def archive(pool: Database) -> AsyncIterator[ArchiveHarness]:
    async with run_archive(pool) as running:
        await running.cache.refresh()
        yield running


async def add_runs(database: FreshDatabase, *runs: dict[str, object]) -> None:
    connection = await asyncpg.connect(database.url)
    try:
        for run in runs:
            await add_broadcast(connection, **{"started_at": NOW - timedelta(days=2), **run})
    finally:
        await connection.close()


async def test_page_and_json_say_the_same(archive: ArchiveHarness, database: FreshDatabase) -> None:
    begin = NOW - timedelta(days=2)
    reached = begin + timedelta(seconds=200)
    await add_runs(
        database,
        {"lane": "bulk", "audience": 6_000, "reached_at": reached},
        {"lane": "urgent", "audience": 50, "reached_at": begin + timedelta(seconds=7)},
        {"lane": "bulk", "cancelled_at": NOW},
        {"lane": "bulk", "states": '{"sent": 6, "cancelled": 4}', "finished_at": NOW},
        {"lane": "bulk", "audience": 0, "finished_at": NOW},
    )
    await archive.levels.refresh()
    status, page = await archive.get("/tempo")
    assert status == 200
    for shown in ("3 Minuten 20 Sekunden", "7 Sekunden", "6.000", "In den letzten 90 Tagen", 'href="/tempo.json"'):
        assert shown in page
    status, text = await archive.get("/tempo.json")
    assert status == 200
    urgent, bulk, *_ = json.loads(text)["periods"]
    assert (urgent["urgent"], urgent["days"], urgent["messages"]) == (True, 30, 50)
    assert (bulk["broadcasts"], bulk["seconds_for_95_percent_of_broadcasts"]) == (1, 200)


async def test_what_never_got_there_is_said(archive: ArchiveHarness, database: FreshDatabase) -> None:
    await add_runs(database, {"finished_at": NOW})
    await archive.levels.refresh()
    assert "weniger als 95 von 100" in (await archive.get("/tempo"))[1]


async def test_it_is_cached_as_the_archive_is(archive: ArchiveHarness, database: FreshDatabase) -> None:
    assert (await archive.get("/tempo"))[0] == 503
    await archive.levels.refresh()
    assert "nichts versandt" in (await archive.get("/tempo"))[1]
    before = archive.levels.levels
    await archive.levels.refresh()
    assert archive.levels.levels is before
    for path in ("/tempo", "/tempo.json"):
        async with archive.session.get(archive.url + path) as response:
            tag, cached = response.headers["ETag"], response.headers["Cache-Control"]
        assert cached.startswith("public, max-age=")
        async with archive.session.get(archive.url + path, headers={"If-None-Match": tag}) as response:
            assert response.status == 304
    await add_runs(database, {"reached_at": NOW})
    await archive.levels.refresh()
    assert "nichts versandt" not in (await archive.get("/tempo"))[1]


async def test_visitors_see_the_last_results_while_the_database_is_away(
    archive: ArchiveHarness, database: FreshDatabase, servers: Servers
) -> None:
    await archive.levels.refresh()
    await run_as_superuser(
        servers,
        f"alter database {database.name} allow_connections false",
        f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{database.name}'",  # noqa: S608
    )
    with pytest.raises(DatabaseUnavailable):
        await archive.levels.refresh()
    assert (await archive.get("/tempo"))[0] == 200

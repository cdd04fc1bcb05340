"""A backup, or the trial of one, that ends early: no full disk, no draft, and no copy of anybody's data."""

import os
import shutil
from asyncio.subprocess import DEVNULL
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from cli.backup.files import MIN_FREE_BYTES, read_frames
from cli.backup.tables import find_tables, read_head, restore_and_roll_back
from tests.databases import FreshDatabase, create_database
from tests.harness.commands import start_kreisfunk
from tests.integration.cli.planned_broadcasts import run
from tests.integration.cli.test_backup import KEY, build_environment, save
from tests.servers import Servers, wait_for

SCRATCH = "select datname from pg_database where datname like 'kreisfunk\\_verify\\_%' order by 1"


@pytest.fixture
def environment(database: FreshDatabase) -> Mapping[str, str]:
    return build_environment(database.url)


async def test_a_disk_that_others_need_is_not_filled(
    environment: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for checks in (0, 1, 3):  # it had room for so many looks at it
        free = iter([MIN_FREE_BYTES] * checks)
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=next(free, 0)))
        ended = await run(environment, "backup", "create", tmp_path)
        assert (ended.status, "free space" in " ".join(ended.errors.split())) == (1, True), ended.everything
        assert os.listdir(tmp_path) == []


async def test_a_backup_that_is_ended_leaves_no_draft(
    owner: asyncpg.Connection, environment: Mapping[str, str], tmp_path: Path
) -> None:
    """As by `docker stop`."""
    async with owner.transaction():
        await owner.execute("lock table subscriptions.consent")  # it waits for this one
        running = await start_kreisfunk("backup", "create", str(tmp_path), environment=environment, stderr=DEVNULL)
        await wait_for(lambda: os.listdir(tmp_path) != [])
        running.terminate()
        assert await running.wait() == 130
    assert os.listdir(tmp_path) == []


async def test_a_restore_that_is_ended_while_it_gathers_statistics_has_said_what_it_holds(
    servers: Servers, environment: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, execute = await save(environment, tmp_path), asyncpg.Connection.execute

    async def execute_until_analyze(self: asyncpg.Connection, query: str, *values: object) -> str:
        if query == "analyze":
            raise KeyboardInterrupt
        status: str = await execute(self, query, *values)
        return status

    monkeypatch.setattr(asyncpg.Connection, "execute", execute_until_analyze)
    async with create_database(servers, "template1") as empty:
        ended = await run({**environment, "KREISFUNK_DATABASE_URL": empty.url}, "restore", file)
    assert (ended.status, f"restored: {file}" in ended.output) == (130, True), ended.everything
    assert "Sending is paused." in ended.output
    assert "Next: `kreisfunk migrate`" in ended.output


async def test_nothing_that_is_tried_is_ever_stored(
    database: FreshDatabase, servers: Servers, environment: Mapping[str, str], tmp_path: Path
) -> None:
    file = await save(environment, tmp_path)
    async with create_database(servers, "template1") as empty:
        connection = await asyncpg.connect(empty.url)
        rows = 0

        def count(new: int, _: int) -> None:
            nonlocal rows
            rows += new

        try:
            frames = read_frames(BytesIO(file.read_bytes()), KEY)
            manifest = read_head(frames)
            await restore_and_roll_back(connection, manifest, frames, count)
            assert rows == manifest.rows
            assert await find_tables(connection) == []
        finally:
            await connection.close()


async def test_a_trial_removes_what_a_killed_one_left_unless_it_is_in_use_or_of_another_installation(
    owner: asyncpg.Connection, database: FreshDatabase, environment: Mapping[str, str], tmp_path: Path
) -> None:
    file = await save(environment, tmp_path)
    oid = await owner.fetchval("select oid from pg_database where datname = current_database()")
    left, used, foreign = (f"kreisfunk_verify_{each}_{os.urandom(4).hex()}" for each in (oid, oid, 1))
    for name in (left, used, foreign):
        await owner.execute(f"create database {name} template template0")
    connection = await asyncpg.connect(urlunsplit(urlsplit(database.url)._replace(path=f"/{used}")))
    try:
        ended = await run(environment, "backup", "verify", file)
        assert ended.status == 0, ended.everything
        assert {row[0] for row in await owner.fetch(SCRATCH)} == {used, foreign}
    finally:
        await connection.close()
        for name in (left, used, foreign):
            await owner.execute(f"drop database if exists {name} with (force)")

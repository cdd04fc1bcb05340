"""Backup and restore of a real database: everything comes back, or nothing, with the reason."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from cli.backup.files import FrameWriter, read_frames
from cli.backup.tables import read_head, restore_database, save_database
from cli.migrate.database import SCHEMAS, locate_migrations
from deploy.local.postgres import find_wheel_programs
from services.dispatcher.domain.claims import Claim
from shared.contracts.dispatch import BroadcastBatch
from shared.database.migrations import migrate, read_migrations
from tests.databases import FreshDatabase, create_database
from tests.factories.ids import generate_id
from tests.harness.commands import CommandResult
from tests.integration.cli.merged_migrations import mark_pending, replay_chain
from tests.integration.cli.planned_broadcasts import insert_planned, run
from tests.servers import Servers, connect_to_database

KEY = bytes(range(32))
AWKWARD = "Zeile 1\nZeile 2\tTab \\ \\N \\. \"Grüße\" 'x' €"
ACCOUNT, DRAFT = UUID(int=7), UUID(int=8)
# As the ledger makes it.
OLD_WEEK = """
create table dispatcher.delivery_20200106 (like dispatcher.delivery including defaults including constraints)
with (fillfactor = 70);
alter table dispatcher.delivery attach partition dispatcher.delivery_20200106
for values from ('016f7826-b400-0000-0000-000000000000') to ('016f9c33-3800-0000-0000-000000000000')
"""


async def execute(url: str, statement: str, *values: object) -> None:
    async with connect_to_database(url) as connection:
        await connection.execute(statement, *values)


async def fetch(url: str, statement: str) -> list[tuple[object, ...]]:
    async with connect_to_database(url) as connection:
        return [tuple(row) for row in await connection.fetch(statement)]


async def dump(url: str) -> list[str]:
    """Return what pg_dump says of a database, in any order; two lines of it are random."""
    program = find_wheel_programs() / "bin" / "pg_dump"
    process = await asyncio.create_subprocess_exec(program, url, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert process.returncode == 0
    return sorted(line for line in said.decode().splitlines() if "restrict" not in line)


FILLING: tuple[tuple[object, ...], ...] = (
    (
        "insert into subscriptions.subscriber (id, sequence, state, phone_index, phone_sealed, places, started_at)"
        " values ($1, 3, 'subscribed', '\\x00ff', '\\x5c0a', $2, '-infinity')",
        *(uuid4(), [AWKWARD, "", "{a,b}"]),
    ),
    (
        "insert into subscriptions.consent"
        " (subscriber_id, sequence, event, topics, said_at, received_at, message_key)"
        " select $1, n, 'given', '{}', now(), now(), '\\x01' from generate_series(1, 3) n",
        uuid4(),
    ),
    (
        "insert into newsroom.account (id, login, name, person, roles) values ($1, 'anna', $2, $1, '{editor}')",
        *(ACCOUNT, AWKWARD),
    ),
    (
        "insert into newsroom.draft (id, notice, kind, state, version, created_by)"
        " values ($1, 'n', 'notice', 'published', 1, $2)",
        *(DRAFT, ACCOUNT),
    ),
    (
        "insert into newsroom.draft_version (draft, version, content, author) values ($1, 1, $3, $2)",
        *(DRAFT, ACCOUNT, json.dumps({"text": AWKWARD, "nothing": None})),
    ),
    *(
        (
            "insert into newsroom.publication (id, draft, version, revision, body) values ($1, $2, 1, 1, $3)",
            *(uuid4(), DRAFT, json.dumps({"type": f"de.kreisfunk.notice.{kind}.v1", "subject": kind})),
        )
        for kind in ("published", "withdrawn")
    ),
    ("insert into newsroom.audit (account, action, object) values ($1, 'x', 'y')", ACCOUNT),
    (OLD_WEEK,),
    ("update dispatcher.rate set late_uses = array[row(1.5, 2.5, 0.1)::dispatcher.late_use]",),
    *(
        (
            "insert into dispatcher.delivery (id, source, lane, state, address_kind, address_index, address_sealed,"
            " asked_at, expires_at) select dispatcher.lowest_id($1), dispatcher.lowest_id($1), 'reply', 'expired',"
            " 'phone', '', '', $1, $1",
            at,
        )
        for at in (datetime(2020, 1, 7, tzinfo=UTC), datetime(2010, 1, 1, tzinfo=UTC))
    ),
)


async def fill(database: FreshDatabase) -> None:
    """Values of every kind, in every schema, in an old week and in none."""
    await insert_planned(database, generate_id())
    for statement, *values in FILLING:
        await execute(database.url, str(statement), *values)


@pytest.fixture
def environment(database: FreshDatabase) -> Mapping[str, str]:
    return build_environment(database.url)


def build_environment(url: str) -> Mapping[str, str]:
    return {"KREISFUNK_DATABASE_URL": url, "KREISFUNK_BACKUP_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}


async def save(environment: Mapping[str, str], folder: Path) -> Path:
    ended = await run(environment, "backup", "create", folder, "--json")
    assert ended.status == 0, ended.everything
    return Path(ended.json["file"])


async def test_everything_comes_back_as_it_was(
    database: FreshDatabase, owner: asyncpg.Connection, mixed: tuple[BroadcastBatch, list[Claim]], servers: Servers
) -> None:
    await fill(database)
    file, rows = BytesIO(), 0

    def count(new: int, _: int) -> None:
        nonlocal rows
        rows += new

    manifest = await save_database(owner, FrameWriter(file, KEY), count)
    assert rows == manifest.rows
    assert b"anna" not in file.getvalue()
    file.seek(0)
    async with create_database(servers, "template1") as empty:
        async with connect_to_database(empty.url) as connection:
            frames = read_frames(file, KEY)
            async with connection.transaction():
                await restore_database(connection, read_head(frames), frames, count)
        assert rows == 2 * manifest.rows
        assert await dump(empty.url) == await dump(database.url)
        # Serial numbers go on where they were.
        await execute(empty.url, "insert into newsroom.audit (action, object) values ('x', 'y')")
        assert await fetch(empty.url, "select max(id) from newsroom.audit") == [(2,)]


async def test_a_restored_database_sends_nothing_and_holds_what_may_have_been_sent(
    database: FreshDatabase,
    mixed: tuple[BroadcastBatch, list[Claim]],
    servers: Servers,
    environment: Mapping[str, str],
    tmp_path: Path,
) -> None:
    await fill(database)
    file = await save(environment, tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    checked = await run(environment, "backup", "verify", file)
    assert (checked.status, "complete" in checked.output) == (0, True), checked.everything
    assert await fetch(database.url, "select datname from pg_database where datname like 'kreisfunk_verify%'") == []
    refused = await run(environment, "restore", file)
    assert (refused.status, "not empty" in refused.errors) == (3, True)
    assert await fetch(database.url, "select * from dispatcher.restore") == []
    async with create_database(servers, "template1") as empty:
        ended = await run(build_environment(empty.url), "restore", file, "--json")
        assert ended.status == 0, ended.everything
        work = ended.json
        assert (work["deliveries"], work["broadcasts"], work["replies"], work["scheduled"]) == (4, 1, 0, 1)
        assert work["returned"] == 1
        paused = "select paused_by_operator, paused_reason like '%Sicherung vom %' from dispatcher.rate"
        assert await fetch(empty.url, paused) == [(True, True)]
        operator = {"KREISFUNK_DATABASE_URL": empty.build_role_url("kreisfunk_operator")}
        shown = (await run(operator, "broadcasts", "show", mixed[0].broadcast, "--json")).json["counts"]
        assert (shown["accepted"], shown["failed"], shown["unknown"], shown["waiting"]) == (3, 2, 4, 1)
        listed = (await run(operator, "deliveries", "unknown", "--json")).json["unknown"]
        assert [one["restored"] for one in listed] == [True] * 4
        assert await fetch(empty.url, "select body ->> 'subject', state from newsroom.publication order by 1") == [
            ("published", "rejected"),
            ("withdrawn", "waiting"),
        ]
        assert await fetch(empty.url, "select state from newsroom.draft") == [("returned",)]


async def test_a_new_database_that_has_only_an_extension_of_its_server_is_empty(
    servers: Servers, environment: Mapping[str, str], tmp_path: Path
) -> None:
    file = await save(environment, tmp_path)
    async with create_database(servers, "template1") as empty:
        await execute(empty.url, "create extension pg_stat_statements")
        ended = await run(build_environment(empty.url), "restore", file)
        assert ended.status == 0, ended.everything


@pytest.mark.parametrize("is_updated", [False, True])
async def test_what_ran_the_files_that_were_merged_can_be_restored_but_not_what_ran_only_some(
    database: FreshDatabase,
    owner: asyncpg.Connection,
    servers: Servers,
    environment: Mapping[str, str],
    tmp_path: Path,
    is_updated: bool,
) -> None:
    await fill(database)
    await replay_chain(owner)
    if is_updated:
        for schema in SCHEMAS:
            assert await migrate(owner, schema, locate_migrations(schema)) == []
    async with create_database(servers, "template1") as empty:
        ended = await run(build_environment(empty.url), "restore", await save(environment, tmp_path / "whole"))
        assert ended.status == 0, ended.everything
        assert await fetch(empty.url, "select login from newsroom.account") == [("anna",)]
        versions = "select version, checksum from dispatcher.schema_checksums order by 1"
        files = read_migrations(locate_migrations("dispatcher"))
        recorded = {version: checksum for version, checksum in await fetch(empty.url, versions)}
        assert recorded.keys() == {each.version for each in files} | files[0].replaces
        assert [recorded[each.version] for each in files] == [each.checksum for each in files]
    await mark_pending(owner, "dispatcher", "20261208000000")
    await mark_pending(owner, "dispatcher", "20261208000001")
    async with create_database(servers, "template1") as empty:
        ended = await run(build_environment(empty.url), "restore", await save(environment, tmp_path / "part"))
        assert (ended.status, "Restore with the version that made" in ended.errors) == (3, True), ended.everything


async def test_a_database_brought_back_by_other_means_is_held_too_once_no_service_uses_it(
    database: FreshDatabase, environment: Mapping[str, str]
) -> None:
    saved = datetime.now(UTC)
    mark = ("restore", "--elsewhere", saved.isoformat())
    service = await asyncpg.connect(database.build_role_url("kreisfunk_dispatcher"))
    busy = await run(environment, *mark)
    assert (busy.status, "kreisfunk_dispatcher" in busy.errors) == (3, True)
    await service.close()
    assert (await run(environment, *mark, "--lost-at", "2999-01-01T00:00Z")).status == 2
    assert (await run(environment, "restore", "--elsewhere", "2999-01-01T00:00Z")).status == 2
    assert await fetch(database.url, "select * from dispatcher.restore") == []
    lost = saved + timedelta(milliseconds=1)
    ended = await run(environment, *mark, "--lost-at", lost.isoformat(), "--json")
    assert ended.status == 0, ended.everything
    assert await fetch(database.url, "select saved_at, lost_at from dispatcher.restore") == [(saved, lost)]


@pytest.mark.parametrize(
    ("given", "lost"),
    [("02:30", "2025-10-26T01:30Z"), ("02:30+02:00", "2025-10-26T00:30Z"), ("01:30", "2025-10-25T23:30Z")],
)
async def test_a_loss_in_the_hour_that_comes_twice_was_the_later_one_so_that_nothing_is_sent_again(
    database: FreshDatabase, environment: Mapping[str, str], given: str, lost: str
) -> None:
    mark = ("restore", "--elsewhere", "2025-10-25T12:00Z", "--lost-at", f"2025-10-26T{given}")
    ended = await run(environment, *mark)
    assert ended.status == 0, ended.everything
    assert await fetch(database.url, "select lost_at from dispatcher.restore") == [(datetime.fromisoformat(lost),)]


async def test_what_cannot_be_restored_says_why_and_changes_nothing(
    database: FreshDatabase, servers: Servers, environment: Mapping[str, str], tmp_path: Path
) -> None:
    file = await save(environment, tmp_path)
    (tmp_path / "short").write_bytes(file.read_bytes()[:-1])
    await execute(database.url, "update dispatcher.schema_checksums set checksum = 'of another file'")
    newer = await save(environment, tmp_path / "newer")
    async with create_database(servers, "template1") as empty:
        target = build_environment(empty.url)
        other_key = {**target, "KREISFUNK_BACKUP_KEY": "A" * 43 + "="}

        async def refuse(status: int, words: str, *given: object, environment: Mapping[str, str] = target) -> None:
            ended: CommandResult = await run(environment, "restore", *given)
            assert (ended.status, words in ended.errors) == (status, True), ended.everything
            assert await fetch(empty.url, "select 1 from pg_namespace where nspname = 'dispatcher'") == []

        await refuse(1, "ends too early", tmp_path / "short")
        await refuse(1, "another key", file, environment=other_key)
        await refuse(1, "No such file", tmp_path / "none")
        await refuse(3, "does not know migration", newer)
        await refuse(2, "no key", file, environment={"KREISFUNK_DATABASE_URL": empty.url})
        await refuse(2, "--elsewhere")

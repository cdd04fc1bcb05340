"""New sealing keys on a real database, with the rights of the role that rotates."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from cli.keys import rotation
from cli.keys.rotation import COLUMNS, rotate
from deploy.local.secret_files import create_secrets
from shared.sealing import IndexKey, KeyRing
from tests.databases import Database

ROLE = "kreisfunk_rotation"
OLD = "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
BOTH = f"{OLD},2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
NEW = BOTH.split(",")[1]
INDEX = IndexKey.parse("ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=")
PEOPLE = 250
VERSIONS = "select get_byte(phone_sealed, 0), count(*)::int from subscriptions.subscriber group by 1 order by 1"


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """The owner's connection to a database with subscribers under the old key, and one open delivery."""
    connection = await asyncpg.connect(database.url)
    rows = [_person(number) for number in range(PEOPLE)]
    await connection.executemany(
        "insert into subscriptions.subscriber (id, sequence, state, phone_index, phone_sealed)"
        " values (gen_random_uuid(), 1, 'subscribed', $1, $2)",
        rows,
    )
    await connection.execute(
        "insert into dispatcher.delivery (id, source, lane, state, address_kind, address_index, address_sealed,"
        " asked_at, expires_at) values (gen_random_uuid(), gen_random_uuid(), 'reply', 'waiting', 'phone', $1, $2,"
        " now(), now())",
        *rows[0],
    )
    yield connection
    await connection.close()


def _person(number: int) -> tuple[bytes, bytes]:
    phone = f"4917604069{number:05}"
    index = INDEX.index("phone", phone)
    return index, KeyRing.parse(OLD).seal(phone.encode(), purpose="phone", index=index)


def command(database: Database, keys: str) -> subprocess.CompletedProcess[str]:
    environment = {"KREISFUNK_DATABASE_URL": database.url_as(ROLE), "KREISFUNK_SEALING_KEYS": keys}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", "keys", "rotate"],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def versions(owner: asyncpg.Connection) -> dict[int, int]:
    return {row[0]: row[1] for row in await owner.fetch(VERSIONS)}


async def test_everything_opens_with_the_new_key_alone_afterwards(
    owner: asyncpg.Connection, database: Database
) -> None:
    finished = await asyncio.to_thread(command, database, BOTH)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert f"{PEOPLE} sealed anew" in finished.stdout
    assert await versions(owner) == {2: PEOPLE}
    ring = KeyRing.parse(NEW)
    rows = await owner.fetch("select phone_index, phone_sealed from subscriptions.subscriber")
    rows += await owner.fetch("select address_index, address_sealed from dispatcher.delivery")
    opened = {ring.open(sealed, purpose="phone", index=index) for index, sealed in rows}
    assert len(opened) == PEOPLE
    again = await asyncio.to_thread(command, database, BOTH)
    assert "addresses: 0 sealed anew" in again.stdout


async def test_it_may_be_ended_and_goes_on_where_it_was(
    owner: asyncpg.Connection, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "PAGE", 100)
    connection = await asyncpg.connect(database.url_as(ROLE))
    pages = rotate(connection, COLUMNS[0], KeyRing.parse(BOTH))
    assert (await anext(pages)).sealed == 100
    await pages.aclose()
    assert await versions(owner) == {1: PEOPLE - 100, 2: 100}
    sealed = [page.sealed async for page in rotate(connection, COLUMNS[0], KeyRing.parse(BOTH))]
    assert sealed == [100, 50]
    await connection.close()


async def test_what_changes_meanwhile_stays_as_it_was_written(owner: asyncpg.Connection, database: Database) -> None:
    connection = await asyncpg.connect(database.url_as(ROLE))
    page = await connection.fetch(rotation._read(COLUMNS[0]), rotation._FIRST, 2, 10)
    ours, _ = rotation._renew(page, KeyRing.parse(BOTH))
    await owner.execute("update subscriptions.subscriber set phone_sealed = '\\x02aa' where id = $1", ours[0][0])
    await connection.execute(rotation._write(COLUMNS[0]), *map(list, zip(*ours, strict=True)))
    kept = await owner.fetchval("select phone_sealed from subscriptions.subscriber where id = $1", ours[0][0])
    assert kept == b"\x02\xaa"
    assert await versions(owner) == {1: PEOPLE - 10, 2: 10}
    await connection.close()


async def test_without_the_old_key_it_says_so_and_changes_nothing(
    owner: asyncpg.Connection, database: Database
) -> None:
    finished = await asyncio.to_thread(command, database, NEW)
    assert finished.returncode == 1
    assert "not in the ring" in finished.stderr
    assert await versions(owner) == {1: PEOPLE}


@pytest.mark.parametrize(
    "statement",
    [
        "select state from subscriptions.subscriber",
        "update subscriptions.subscriber set phone_index = null",
        "select * from subscriptions.consent",
        "select content from dispatcher.delivery",
        "delete from subscriptions.subscriber",
    ],
)
async def test_the_role_can_do_nothing_else(database: Database, statement: str) -> None:
    connection = await asyncpg.connect(database.url_as(ROLE))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)
    await connection.close()


def test_a_new_key_reaches_every_holder(tmp_path: Path) -> None:
    create_secrets(tmp_path)
    finished = subprocess.run(
        [sys.executable, "-m", "cli.main", "keys", "add", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    rings = {path.read_text() for path in tmp_path.glob("*/kreisfunk_sealing_keys")}
    (ring,) = rings
    assert set(KeyRing.parse(ring).keys) == {1, 2}
    assert ring.split(":")[2] not in finished.stdout
    assert create_secrets(tmp_path) == []

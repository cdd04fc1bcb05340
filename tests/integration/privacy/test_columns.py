"""The annexes of docs/datenschutz.md say what a migrated database has, and what each role may read of it."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from deploy.secrets import SECRETS
from tests.databases import ROLES, FreshDatabase
from tests.privacy_page import HASHED, READERS, SEALED, read_columns, read_roles
from tests.servers import connect_to_database

_COLUMNS = """
select format('%s.%s', n.nspname, c.relname) as table, a.attname as column, array(
    select r from unnest($1::text[]) r where has_column_privilege(r, c.oid, a.attnum, 'select')) as readers
from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
where c.relkind in ('r', 'p', 'v', 'm') and not c.relispartition and a.attnum > 0 and not a.attisdropped
    and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
"""
_CHANGES = """
select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname in ('subscriptions', 'dispatcher', 'newsroom')
    and (has_any_column_privilege($1, c.oid, 'insert, update') or has_table_privilege($1, c.oid, 'delete'))
"""
LETTERS = {role: letter for letter, role in READERS.items()}


@pytest.fixture(scope="module")
async def owner(module_database: FreshDatabase) -> AsyncIterator[asyncpg.Connection]:
    async with connect_to_database(module_database.url) as connection:
        yield connection


async def existing(owner: asyncpg.Connection) -> dict[tuple[str, str], frozenset[str]]:
    """Every column of every table, and who may read it."""
    rows = await owner.fetch(_COLUMNS, ROLES)
    return {(row["table"], row["column"]): frozenset(row["readers"]) for row in rows}


async def test_every_column_is_described_and_none_that_does_not_exist(owner: asyncpg.Connection) -> None:
    there = await existing(owner)
    assert sorted(set(there) - set(read_columns())) == [], "describe these in annex 1 of docs/datenschutz.md"
    assert sorted(set(read_columns()) - set(there)) == [], (
        "annex 1 of docs/datenschutz.md describes what does not exist"
    )


async def test_who_may_read_a_column_is_what_the_page_says(owner: asyncpg.Connection) -> None:
    described = read_columns()
    wrong = {
        name: "said {} is {}".format(*(" ".join(sorted(LETTERS[role] for role in each)) for each in (said, readers)))
        for name, readers in (await existing(owner)).items()
        if name in described and (said := described[name].readers) != readers
    }
    assert wrong == {}


async def test_no_service_reads_a_table_of_another_one(owner: asyncpg.Connection) -> None:
    services = {f"kreisfunk_{service}": service for service in ("subscriptions", "dispatcher", "newsroom")}
    foreign = [
        (role, table)
        for (table, _), readers in (await existing(owner)).items()
        for role in readers & set(services)
        if not table.startswith(f"{services[role]}.")
    ]
    assert foreign == []


async def test_the_roles_are_those_of_the_page_and_see_what_it_says(owner: asyncpg.Connection) -> None:
    found = await owner.fetch("select rolname from pg_roles where rolname like 'kreisfunk\\_%' and not rolsuper")
    assert {row[0] for row in found} == set(read_roles()) == set(ROLES)
    for role, said in read_roles().items():
        seen = [column for column in read_columns().values() if role in column.readers]
        assert said.letter == LETTERS[role]
        assert said.addresses == ("versiegelt" if any(column.kind == SEALED for column in seen) else "nein"), role
        assert (said.hashes != "nein") == any(column.kind == HASHED for column in seen), role
        assert said.opens == ("ja" if _opens(role) else "nein"), role


async def test_the_monitor_and_the_operator_see_no_hash_and_change_nothing(owner: asyncpg.Connection) -> None:
    for role in ("kreisfunk_monitor", "kreisfunk_operator"):
        seen = {name for name, column in read_columns().items() if role in column.readers}
        assert {name for name in seen if read_columns()[name].kind == HASHED} == set(), role
        assert await owner.fetchval(_CHANGES, role) == 0, role


def _opens(role: str) -> bool:
    """Return whether the encryption keys are in the folder where the password of the role is."""
    holders = {file.partition("/")[0] for secret in SECRETS if secret.login == role for file in secret.files}
    keys = {file.partition("/")[0] for secret in SECRETS for file in secret.files if file.endswith("encryption_keys")}
    assert holders
    return bool(holders & keys)

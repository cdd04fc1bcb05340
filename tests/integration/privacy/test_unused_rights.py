"""Every right of a role on a table is one that a statement in its code needs, as far as the statement can be found."""

import re
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from deploy.paths import ROOT
from tests.databases import FreshDatabase
from tests.servers import connect_to_database

# All statements of these roles are written out there. Those of `kreisfunk keys` are composed, and tested with its role.
READERS = {
    "kreisfunk_operator": ("cli/operate",),
    "kreisfunk_monitor": ("cli/demo/ledger_reader.py", "tests/faults/ledger_snapshot.py"),
}
SERVICES = ("subscriptions", "dispatcher", "newsroom")
WRITES = {
    "insert": r'insert into {table}\b|copy_records_to_table\(\s*"{name}"',
    "update": r'update {table}\b|insert into {table}\b[^;"]*do update',
    "delete": r'delete from {table}\b|build_row_rule\([^"]*"{table}"',
}
_COLUMNS = """
select format('%s.%s', n.nspname, c.relname) as table, a.attname as column
from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
where c.relkind in ('r', 'p') and not c.relispartition and a.attnum > 0 and not a.attisdropped
    and n.nspname = any($2) and has_column_privilege($1, c.oid, a.attnum, 'select')
"""
_WRITES = """
select c.relname as name, p as right
from pg_class c join pg_namespace n on n.oid = c.relnamespace cross join unnest($2::text[]) p
where c.relkind in ('r', 'p') and not c.relispartition and n.nspname = $1 and case p
    when 'delete' then has_table_privilege('kreisfunk_' || $1, c.oid, p)
    else has_any_column_privilege('kreisfunk_' || $1, c.oid, p) end
"""
# With the caller's rights.
_FUNCTIONS = "select prosrc from pg_proc where pronamespace = $1::regnamespace and not prosecdef"


def read_code(*places: str) -> Iterator[str]:
    for place in places:
        path = ROOT / place
        yield from (file.read_text() for file in (sorted(path.rglob("*.py")) if path.is_dir() else (path,)))


def is_named(word: str, text: str) -> bool:
    return re.search(rf"\b{re.escape(word)}\b", text) is not None


@pytest.fixture
async def owner(module_database: FreshDatabase) -> AsyncIterator[asyncpg.Connection]:
    async with connect_to_database(module_database.url) as connection:
        yield connection


@pytest.mark.parametrize("role", READERS)
async def test_a_role_reads_no_column_that_its_statements_do_not_name(role: str, owner: asyncpg.Connection) -> None:
    files = [*read_code(*READERS[role])]
    unnamed = [
        (table, column)
        for table, column in await owner.fetch(_COLUMNS, role, SERVICES)
        if not any(is_named(table, file) and is_named(column, file) for file in files)
    ]
    assert unnamed == []


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_writes_in_no_way_that_its_statements_do_not(service: str, owner: asyncpg.Connection) -> None:
    functions = [row["prosrc"] for row in await owner.fetch(_FUNCTIONS, service)]
    code = "\n".join((*read_code(f"services/{service}"), *functions))
    unused = [
        (name, right)
        for name, right in await owner.fetch(_WRITES, service, list(WRITES))
        if not re.search(WRITES[right].format(table=f"{service}.{name}", name=name), code)
    ]
    assert unused == []

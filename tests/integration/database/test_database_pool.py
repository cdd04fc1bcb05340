"""The pool of databases for tests lends an emptied database again, and a changed one not."""

import pytest

from tests.database_pool import DatabasePool, create_pool
from tests.servers import Servers, connect_to_database

OID = "select oid from pg_database where datname = current_database()"
ROW = "insert into dispatcher.template_pause values ('t/de', 'a test')"


@pytest.mark.parametrize(
    ("change", "is_lent"),
    [
        (ROW, True),
        ("create table left_over ()", False),
        ("revoke select on dispatcher.restore from kreisfunk_operator", False),
        ("alter table dispatcher.rate disable trigger limit_rises", False),
        ("comment on table dispatcher.template_pause is 'changed'", False),
        ("do $$ begin execute format('alter database %I set work_mem = 1024', current_database()); end $$", False),
        (f"{ROW}; analyze dispatcher.template_pause", False),
    ],
    ids=["row", "table", "right", "trigger", "comment", "setting", "statistic"],
)
async def test_a_database_is_lent_again_empty_unless_more_than_rows_has_changed(
    servers: Servers, database_template: str, change: str, is_lent: bool
) -> None:
    async with create_pool(servers, database_template) as pool:
        oid = await change_and_read_oid(pool, change)
        assert (await change_and_read_oid(pool, "select") == oid) is is_lent


async def change_and_read_oid(pool: DatabasePool, change: str) -> int:
    async with pool.lend() as database, connect_to_database(database.url) as connection:
        assert await connection.fetchval("select count(*) from dispatcher.template_pause") == 0
        assert await connection.fetchval("select count(*) from dispatcher.schema_migrations") > 0
        oid: int = await connection.fetchval(OID)
        await connection.execute(change)
    return oid

"""Every table and column explains itself in psql and in every tool that reads the catalogue."""

import asyncpg
import pytest

# A partition has the columns of its parent.
_WITHOUT_COMMENT = """
select concat_ws('.', n.nspname, c.relname, a.attname)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join lateral (
        select null as attname, 0 as attnum
        union all
        select attname, attnum from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped) a on true
where c.relkind in ('r', 'p', 'v', 'm') and not c.relispartition and n.nspname = $1
    and coalesce(trim(pg_catalog.col_description(c.oid, a.attnum)), '') = ''
    and coalesce(trim(case a.attnum when 0 then pg_catalog.obj_description(c.oid, 'pg_class') end), '') = ''
order by 1
"""


@pytest.mark.parametrize("schema", ["subscriptions", "dispatcher", "newsroom"])
async def test_every_table_and_column_has_a_comment(owner: asyncpg.Connection, schema: str) -> None:
    await owner.execute(f"create table {schema}.uncommented (id int)")
    found = [row[0] for row in await owner.fetch(_WITHOUT_COMMENT, schema)]
    own = [name for name in found if not name.startswith(f"{schema}.uncommented")]
    assert own == []
    assert found == [f"{schema}.uncommented", f"{schema}.uncommented.id"], "the query finds nothing"

"""A database that refuses our login: somebody renews the password, and has told only one side so far."""

import asyncpg
import pytest

from shared.database.pool import DatabaseUnavailable, open_database
from tests.databases import FreshDatabase


async def test_a_login_that_is_refused_for_now_is_waited_for_and_makes_no_dead_letters(database: FreshDatabase) -> None:
    owner = await asyncpg.connect(database.url)
    await owner.execute("create role refused_for_now nologin")
    try:
        url = database.build_role_url("refused_for_now")
        async with open_database(url, password=None, name="test", size=1) as pool:
            with pytest.raises(DatabaseUnavailable):
                await pool.fetchval("select 1")
    finally:
        await owner.execute("drop role refused_for_now")
        await owner.close()

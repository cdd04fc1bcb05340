"""Failures of the server that end without us are waited for: a message that met one is no dead letter."""

from urllib.parse import urlsplit, urlunsplit

import pytest

from shared.database.pool import DatabaseUnavailable, open_database
from tests.databases import FreshDatabase

IO_ERROR, DISK_FULL, UNDEFINED_FILE = "58030", "53100", "58P01"


@pytest.mark.parametrize("code", [IO_ERROR, DISK_FULL, UNDEFINED_FILE])
async def test_a_disk_that_fails_for_now_is_waited_for(database: FreshDatabase, code: str) -> None:
    async with open_database(database.url, password=None, name="test", size=1) as pool:
        with pytest.raises(DatabaseUnavailable):
            await pool.fetch(f"do $$ begin raise exception 'could not read block' using errcode = '{code}'; end $$")


async def test_a_database_that_is_being_made_anew_is_waited_for(database: FreshDatabase) -> None:
    gone = urlunsplit(urlsplit(database.url)._replace(path="/not_yet_restored"))
    async with open_database(gone, password=None, name="test", size=1) as pool:
        with pytest.raises(DatabaseUnavailable):
            await pool.fetchval("select 1")

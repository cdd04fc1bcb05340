"""The fixtures give what they promise, whichever servers were chosen."""

import aiohttp
import asyncpg
import pytest

from tests.databases import Database
from tests.servers import Servers, ServersNotOursError, basic_authorization, broker_answers, url_with_database
from tests.tap.reading import Tap


async def test_each_test_has_a_database_of_its_own(database: Database, module_database: Database) -> None:
    connection = await asyncpg.connect(database.url)
    try:
        assert await connection.fetchval("select current_database()") == database.name != module_database.name
    finally:
        await connection.close()


async def test_a_role_can_log_in_and_is_no_superuser(database: Database) -> None:
    connection = await asyncpg.connect(database.url_as("kreisfunk_dispatcher"))
    try:
        assert await connection.fetchval("select current_setting('is_superuser')") == "off"
    finally:
        await connection.close()


async def test_a_broker_of_ours_comes_back_where_it_was_and_a_given_one_is_not_stopped(
    servers: Servers, tap: Tap
) -> None:
    if servers.given:
        with pytest.raises(ServersNotOursError):
            await servers.stop_broker()
    else:
        await servers.stop_broker()
        assert not await broker_answers(servers)
        await servers.start_broker()
        await tap.trace()
    assert await broker_answers(servers)


async def test_a_vhost_is_reachable_by_its_url(servers: Servers, vhost: str) -> None:
    name = vhost.rpartition("/")[2]
    async with (
        aiohttp.ClientSession(headers=basic_authorization(vhost)) as session,
        session.get(f"{servers.broker_api_url}/api/vhosts/{name}") as answer,
    ):
        assert (await answer.json())["name"] == name


def test_passwords_stay_out_of_a_failing_tests_output(servers: Servers, database: Database) -> None:
    shown = f"{servers!r} {database!r}"
    assert "postgresql://" not in shown
    assert "amqp://" not in shown


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("amqp://a:b@h:1/", "amqp://a:b@h:1/x"),
        ("postgresql://a:b@h:1/kreisfunk", "postgresql://a:b@h:1/x"),
    ],
)
def test_a_database_or_vhost_replaces_the_path_of_a_url(url: str, expected: str) -> None:
    assert url_with_database(url, "x") == expected

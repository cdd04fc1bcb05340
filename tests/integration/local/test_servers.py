"""The fixtures give what they promise, whichever servers were chosen."""

import aiohttp
import asyncpg
import pytest

from tests.contract_recorder.recorder import ContractRecorder
from tests.databases import FreshDatabase
from tests.servers import Servers, ServersNotOwnedError, build_authorization, build_database_url, is_broker_ready


async def test_each_test_has_a_database_of_its_own(database: FreshDatabase, module_database: FreshDatabase) -> None:
    connection = await asyncpg.connect(database.url)
    try:
        assert await connection.fetchval("select current_database()") == database.name != module_database.name
    finally:
        await connection.close()


async def test_a_role_can_log_in_and_is_no_superuser(database: FreshDatabase) -> None:
    connection = await asyncpg.connect(database.build_role_url("kreisfunk_dispatcher"))
    try:
        assert await connection.fetchval("select current_setting('is_superuser')") == "off"
    finally:
        await connection.close()


async def test_a_broker_of_ours_comes_back_where_it_was_and_a_given_one_is_not_stopped(
    servers: Servers, tap: ContractRecorder
) -> None:
    if servers.given:
        with pytest.raises(ServersNotOwnedError):
            await servers.stop_broker()
    else:
        await servers.stop_broker()
        assert not await is_broker_ready(servers)
        await servers.start_broker()
        await tap.trace()
    assert await is_broker_ready(servers)


async def test_a_vhost_is_reachable_by_its_url(servers: Servers, vhost: str) -> None:
    name = vhost.rpartition("/")[2]
    async with (
        aiohttp.ClientSession(headers=build_authorization(vhost)) as session,
        session.get(f"{servers.broker_api_url}/api/vhosts/{name}") as answer,
    ):
        assert (await answer.json())["name"] == name


def test_passwords_stay_out_of_a_failing_tests_output(servers: Servers, database: FreshDatabase) -> None:
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
    assert build_database_url(url, "x") == expected

"""PostgreSQL and RabbitMQ without a container engine, as they start, die, come back and end."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import asyncpg
import psutil
import pytest

from deploy import LocalError
from deploy.local.postgres import run_postgres
from deploy.local.rabbitmq import RabbitServer, run_rabbitmq
from tests.harness.processes import is_alive, list_processes
from tests.servers import build_authorization, connect_to_database, make_folder, wait_for

PASSWORD = "ein Passwort: mit %-Zeichen/"
ORPHAN = """
import asyncio, sys
from pathlib import Path
from deploy.local.postgres import run_postgres
from deploy.local.rabbitmq import run_rabbitmq

async def main():
    folder = Path(sys.argv[1])
    async with run_postgres(folder / "postgres", "x"), run_rabbitmq(folder / "rabbitmq", "x"):
        print("up", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with make_folder() as folder:
        yield folder


async def value_of(url: str, query: str) -> object:
    async with connect_to_database(url) as connection:
        return await connection.fetchval(query)


async def test_postgres_keeps_its_data_through_sigkill_power_failure_and_a_second_start(folder: Path) -> None:
    async with run_postgres(folder, PASSWORD) as server:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(server.url, password="another")
        await value_of(server.url, "create table numbers as select 7 as number")
        server.kill()
        await server.wait()
        await server.start()
        assert await value_of(server.url, "select number from numbers") == 7
    # As after a power failure.
    (folder / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n{folder / 'data'}\n")
    async with run_postgres(folder, PASSWORD) as server:
        assert await value_of(server.url, "select number from numbers") == 7
        assert await value_of(server.url, "show fsync") == "on"
    assert not list_processes(folder)
    with pytest.raises(LocalError, match="created with a different password"):
        async with run_postgres(folder, "another"):
            pass


async def test_postgres_runs_in_a_folder_that_only_we_may_enter(tmp_path: Path) -> None:
    for expected in (0, 1):
        async with run_postgres(tmp_path, PASSWORD) as server:
            await value_of(server.url, "create table if not exists numbers (number int)")
            assert await value_of(server.url, "select count(*) from numbers") == expected
            await value_of(server.url, "insert into numbers values (1)")
            data = Path(str(await value_of(server.url, "show data_directory")))
        assert not list_processes(data)
    assert "PG_VERSION" in os.listdir(tmp_path / "data")


async def users(server: RabbitServer) -> list[str]:
    headers = build_authorization(server.url)
    async with (
        aiohttp.ClientSession(headers=headers, raise_for_status=True) as session,
        session.get(f"{server.api_url}/api/users") as answer,
    ):
        return [user["name"] for user in await answer.json()]


async def test_rabbitmq_keeps_its_data_through_sigkill_and_a_second_start_for_this_machine_only(folder: Path) -> None:
    async with run_rabbitmq(folder, "first") as server:
        assert await users(server) == ["kreisfunk_admin"]
        await server.run_rabbitmqctl("add_vhost", "own")
        pids = (server.pid, server.epmd.pid)
        listening = [
            connection.laddr.ip
            for pid in pids
            for connection in psutil.Process(pid).net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert set(listening) <= {"127.0.0.1", "::1"}
        assert len(listening) >= 5
        server.kill()
        await server.wait()
    assert not [pid for pid in pids if is_alive(pid)]
    async with run_rabbitmq(folder, PASSWORD) as server:
        assert await users(server) == ["kreisfunk_admin"]
        assert "own" in await server.run_rabbitmqctl("list_vhosts")
    assert not list_processes(folder)


async def test_servers_end_when_their_starter_is_killed(folder: Path) -> None:
    starter = psutil.Popen([sys.executable, "-c", ORPHAN, str(folder)], stdout=-1)
    assert starter.stdout.readline() == b"up\n"
    children = starter.children(recursive=True)
    assert len(children) >= 3
    starter.send_signal(signal.SIGKILL)
    starter.communicate()
    await wait_for(lambda: not any(is_alive(child.pid) for child in children))
    assert not list_processes(folder)

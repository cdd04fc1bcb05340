"""PostgreSQL and RabbitMQ without a container engine, as they start, die, come back and end."""

import asyncio
import os
import shutil
import signal
import stat
import sys
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import psutil
import pytest

from deploy import LocalError
from deploy.local import postgres
from deploy.local.postgres import DATA, run_postgres
from deploy.local.rabbitmq import RabbitServer, run_rabbitmq
from tests.harness.processes import is_alive, list_processes
from tests.servers import WAIT_TIMEOUT_SECONDS, build_authorization, connect_to_database, wait_for

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


async def count_earlier_starts(folder: Path) -> Any:
    async with run_postgres(folder, PASSWORD) as server:
        await value_of(server.url, "create table if not exists starts ()")
        await value_of(server.url, "insert into starts default values")
        return await value_of(server.url, "select count(*) - 1 from starts")


async def test_data_is_in_its_folder_also_if_it_is_copied_and_nobody_else_may_enter(folder: Path) -> None:
    original, copied = folder / "original", folder / "copied"
    assert [await count_earlier_starts(original) for _ in range(2)] == [0, 1]
    shutil.copytree(original, copied)
    assert await count_earlier_starts(copied) == 2
    assert await count_earlier_starts(original) == 2
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, original / DATA)] == [0o700, 0o700]
    assert not list_processes(folder)


async def test_a_database_that_a_former_version_moved_is_not_replaced_by_an_empty_one(folder: Path) -> None:
    (folder / "data-link").symlink_to(folder / "elsewhere")
    with pytest.raises(LocalError, match="elsewhere"):
        await count_earlier_starts(folder)
    assert not (folder / DATA).exists()


async def test_programs_of_a_closed_environment_are_copied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs, environment = postgres.find_wheel_programs(), folder / "environment"
    os.chmod(folder, 0o711)  # noqa: S103 (PostgreSQL's user has to reach the copy in it)
    os.mkdir(environment, 0o700)
    for name in (programs.parent.name, f"{programs.parent.name}.libs"):
        (environment / name).symlink_to(programs.parent.with_name(name))
    monkeypatch.setattr(postgres, "find_wheel_programs", lambda: environment / programs.parent.name / programs.name)
    monkeypatch.setattr(postgres, "STATE_FOLDER", folder / "state")
    os.makedirs(folder / "state" / "programs.new" / "half")
    for expected in (0, 1):
        assert await count_earlier_starts(folder) == expected
    assert (os.listdir(folder / "state") == ["programs.new"]) is (os.geteuid() != 0)


async def users(server: RabbitServer) -> list[str]:
    headers = build_authorization(server.url)
    async with (
        aiohttp.ClientSession(headers=headers, raise_for_status=True) as session,
        session.get(f"{server.api_url}/api/users") as answer,
    ):
        return [user["name"] for user in await answer.json()]


async def give_up_a_start(server: RabbitServer) -> None:
    """It ends, without the half minute that is left to a broker that runs."""
    starting = asyncio.create_task(server.start())
    await wait_for(lambda: server.pid is not None)
    starting.cancel()
    await asyncio.wait([starting])
    assert await asyncio.wait_for(server.wait(), WAIT_TIMEOUT_SECONDS) == -signal.SIGKILL


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
        await give_up_a_start(server)
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

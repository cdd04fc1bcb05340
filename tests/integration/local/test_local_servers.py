"""PostgreSQL and RabbitMQ without a container engine, as they start, die, come back and end."""

import os
import shutil
import signal
import stat
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import psutil
import pytest

from deploy import LocalError
from deploy.local import postgres
from deploy.local.postgres import DATA, FORMER_MARK, LINK, run_postgres
from deploy.local.rabbitmq import RabbitServer, run_rabbitmq
from tests.harness.processes import is_alive, list_processes
from tests.servers import build_authorization, connect_to_database, wait_for

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


async def test_the_data_of_a_closed_folder_stays_where_nobody_else_can_enter(folder: Path) -> None:
    os.chmod(folder, 0o700)
    for expected in (0, 1):
        assert await count_earlier_starts(folder) == expected
    data = (folder / LINK).resolve() / DATA if os.geteuid() == 0 else folder / DATA
    assert (data / "PG_VERSION").exists()
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert [parent.name for parent in data.parents if not parent.stat().st_mode & stat.S_IRWXO]
    assert not list_processes(data)


async def test_data_moves_out_of_a_folder_that_is_closed_also_after_half_a_copy(folder: Path) -> None:
    mode = os.stat(folder).st_mode
    os.chmod(folder, 0o700)
    await count_earlier_starts(folder)
    (folder / LINK).unlink(missing_ok=True)  # without the link, the data that it led to is half a copy
    os.chmod(folder, mode)
    before = await count_earlier_starts(folder)
    os.chmod(folder, 0o700)
    assert await count_earlier_starts(folder) == before + 1
    assert (DATA in os.listdir(folder)) is (os.geteuid() != 0)


async def test_a_copied_folder_does_not_write_to_the_data_of_the_original(folder: Path) -> None:
    os.chmod(folder, 0o700)
    original, copied = folder / "original", folder / "copied"
    assert await count_earlier_starts(original) == 0
    shutil.copytree(original, copied, symlinks=True)
    with pytest.raises(LocalError, match="moved or copied") if os.geteuid() == 0 else nullcontext():
        assert await count_earlier_starts(copied) == 1
    assert await count_earlier_starts(original) == 1


async def test_a_database_that_is_elsewhere_is_not_replaced_by_an_empty_one(folder: Path) -> None:
    (folder / LINK).symlink_to(folder / "elsewhere")
    with pytest.raises(LocalError, match="elsewhere"):
        await count_earlier_starts(folder)
    assert not (folder / DATA).exists()


async def test_data_that_was_elsewhere_and_is_missing_is_not_replaced_by_an_empty_database(folder: Path) -> None:
    os.chmod(folder, 0o700)
    await count_earlier_starts(folder)
    if os.geteuid() != 0:
        assert not (folder / LINK).is_symlink()
        return
    place = (folder / LINK).resolve()
    place.rename(f"{place}.away")
    with pytest.raises(LocalError, match="is missing"):
        await count_earlier_starts(folder)
    os.rename(f"{place}.away", place)
    assert await count_earlier_starts(folder) == 1
    (folder / FORMER_MARK).touch()
    with pytest.raises(LocalError, match="former version"):
        await count_earlier_starts(folder)


async def test_programs_of_a_closed_environment_are_copied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs, environment = postgres.find_wheel_programs(), folder / "environment"
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

"""A supervisor over tiny real processes."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from deploy import LocalError
from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.process import Command, Supervisor, run_supervisor
from deploy.local.services import Service
from tests.harness.processes import is_alive
from tests.servers import wait_for

READY = """
import http.server, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{READY}"
BROKEN = "import sys; print('no such county'); sys.exit(2)"


def service(name: str, port: int, folder: Path, program: str = READY) -> Service:
    command = Command(
        name=name,
        arguments=(sys.executable, "-c", program, str(port)),
        log=folder / f"{name}.log",
        environment={},
    )
    return Service(command, f"http://{LOOPBACK}:{port}/readyz")


@pytest.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    async with run_supervisor() as running:
        yield running


async def test_a_child_that_anybody_has_killed_is_started_again_and_counted(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    with reserve_ports(1) as (port,):
        child = service("child", port, tmp_path)
        await supervisor.start(child)
        first = child.pid
        supervisor.kill("child")
        await supervisor.wait_until_ready("child")
        assert child.pid not in (None, first)
        assert supervisor.restarts == {"child": 1}
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        await wait_for(lambda: supervisor.restarts["child"] == 2)
        await supervisor.wait_until_ready("child")
    assert is_alive(child.pid)


async def test_a_child_that_was_taken_down_stays_down_until_it_is_brought_up(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    with reserve_ports(1) as (port,):
        child = service("child", port, tmp_path)
        await supervisor.start(child)
        await supervisor.stop_one("child")
        assert child.pid is None
        assert supervisor.restarts == {"child": 0}
        await supervisor.start_one("child")
        assert child.pid is not None


async def test_a_child_that_ends_while_starting_is_named_with_the_end_of_its_log(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    with reserve_ports(1) as (port,), pytest.raises(LocalError, match=r"(?s)broken ended.*no such county"):
        await supervisor.start(service("broken", port, tmp_path, BROKEN))


async def test_the_last_batch_is_stopped_first(tmp_path: Path) -> None:
    ended: list[str] = []

    async def note_end(child: Service) -> None:
        await child.wait()
        ended.append(child.name)

    with reserve_ports(2) as (first_port, second_port):
        first, second = service("first", first_port, tmp_path), service("second", second_port, tmp_path)
        async with run_supervisor() as supervisor:
            await supervisor.start(first)
            await supervisor.start(second)
            notes = asyncio.gather(note_end(first), note_end(second))
        await notes
    assert ended == ["second", "first"]


async def test_a_child_that_ignores_the_request_to_stop_is_killed(tmp_path: Path) -> None:
    with reserve_ports(1) as (port,):
        child = service("stubborn", port, tmp_path, STUBBORN)
        await child.start()
        await child.stop(seconds=0.2)
        assert await child.wait() == -signal.SIGKILL


async def test_nothing_is_left_when_the_supervision_ends(tmp_path: Path) -> None:
    before = set(psutil.Process().children(recursive=True))
    with reserve_ports(2) as (first_port, second_port):
        async with run_supervisor() as supervisor:
            await supervisor.start(service("first", first_port, tmp_path), service("second", second_port, tmp_path))
            supervisor.kill("first")
    left = set(psutil.Process().children(recursive=True)) - before
    assert not [process for process in left if is_alive(process.pid)]

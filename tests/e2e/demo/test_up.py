"""The whole system until Ctrl-C: phones, metrics, publishing, and a clean end."""

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urldefrag

import aiohttp
import psutil
import pytest

from simulator.client import SimulatorClient, open_simulator_client
from tests.contract_recorder.follower import follow_stack
from tests.e2e.demo.command_process import END_TIMEOUT_SECONDS, read_lines_until, run_command
from tests.harness.commands import run_kreisfunk
from tests.harness.processes import is_alive, list_processes
from tests.servers import fetch_until

HEADLINE, TEXT = "Vollsperrung L 149", "Die L 149 ist bis Freitag gesperrt."
LAST_LINE = "Ctrl-C ends everything."


def values(lines: list[str]) -> dict[str, str]:
    """`Phones:   http://…` by its first word; metrics by the process in brackets."""
    words = [line.split() for line in lines if ":  " in line]
    return {found[2].strip("()") if len(found) > 2 else found[0].rstrip(":"): found[1] for found in words}


async def wait_for_message(simulator: SimulatorClient) -> None:
    await fetch_until(simulator.count_accepted, lambda found: found >= 1)


async def metrics_of(addresses: Mapping[str, str]) -> dict[str, bool]:
    """For each process, whether it shows metrics."""
    async with aiohttp.ClientSession() as session:
        return {name: "# HELP" in await _read(session, url) for name, url in addresses.items()}


async def _read(session: aiohttp.ClientSession, url: str) -> str:
    async with session.get(url, raise_for_status=True) as answer:
        return await answer.text()


@pytest.mark.timeout(300)
async def test_it_is_up_until_ctrl_c_and_phones_and_subscribers_are_there_again(folder: Path) -> None:
    """Three phones from the start; who has subscribed gets notices after a restart, too."""
    place = folder / "up"
    async with run_command("up", "--folder", str(place)) as process, follow_stack(place):
        shown = values(await read_lines_until(process, LAST_LINE))
        url, token = urldefrag(shown.pop("Phones"))
        shown.pop("Webhook")
        async with aiohttp.ClientSession() as session:
            assert await _read(session, shown.pop("Archive"))
        assert shown.pop("Notices").endswith("/notices")
        kinds = ("ingress-1", "notices-1", "subscriptions-1", "dispatcher-1", "dispatcher-2", "newsroom-1", "rabbitmq")
        assert set(shown) == set(kinds)
        assert set((await metrics_of(shown)).values()) == {True}

        async with open_simulator_client(url.rstrip("/"), token) as simulator:
            phones = await simulator.list_citizens()
            assert len(phones) == 3
            await simulator.send_text([2], "Start", per_second=50)
            await wait_for_message(simulator)

        family = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(END_TIMEOUT_SECONDS):
            output, progress = await process.communicate()
    assert process.returncode in (0, 130)
    assert progress.decode().splitlines()[-1] == "- everything has ended"
    assert b"Traceback" not in output + progress
    assert len(family) > len(shown)
    assert [pid for pid in family if is_alive(pid)] == []
    assert list_processes(folder) == []

    async with run_command("up", "--folder", str(place)) as process, follow_stack(place):
        shown = values(await read_lines_until(process, LAST_LINE))
        url, token = urldefrag(shown["Phones"])
        async with open_simulator_client(url.rstrip("/"), token) as simulator:
            assert await simulator.list_citizens() == phones
            arguments = ("--topic", "strassensperrungen", "--headline", HEADLINE, "--text", TEXT)
            published = await run_kreisfunk("publish", *arguments, "--stack", str(place))
            assert published.status == 0, published.errors
            await wait_for_message(simulator)
            assert [message.citizen for message in await simulator.fetch_outbound()] == [2]

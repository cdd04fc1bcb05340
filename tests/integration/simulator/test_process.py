"""The real process: settings, signals and the drain."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import pytest

from simulator.graph.templates import Templates
from simulator.settings import SettingsError, load
from tests.harness.fake_business import VERIFY_TOKEN, FakeBusiness, run_business
from tests.harness.simulator import CONTROL_TOKEN, build_process_environment, read_address, start_simulator
from tests.servers import WAIT_TIMEOUT_SECONDS

ENVIRONMENT = build_process_environment("http://127.0.0.1:1/webhook")
HEADERS = {"Authorization": f"Bearer {CONTROL_TOKEN}"}


async def finished(environment: Mapping[str, str], *arguments: str) -> tuple[int | None, str, str]:
    async with start_simulator(environment, *arguments) as process, asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        output, errors = await process.communicate()
        return process.returncode, output.decode(), errors.decode()


async def write_start(session: aiohttp.ClientSession, url: str) -> None:
    await session.post(f"{url}/simulator/citizens", json={"count": 1}, headers=HEADERS)
    written = await session.post(f"{url}/simulator/citizens/1/messages", json={"text": "Start"}, headers=HEADERS)
    assert written.status == 202


@pytest.fixture
async def business() -> AsyncIterator[FakeBusiness]:
    async with run_business() as running:
        yield running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_hands_over_the_last_webhooks_and_ends_well(business: FakeBusiness, number: int) -> None:
    business.answers = [503]
    environment = {**ENVIRONMENT, "SIMULATOR_WEBHOOK_URL": business.url}
    async with start_simulator(environment) as process, aiohttp.ClientSession() as session:
        await write_start(session, await read_address(process))
        process.send_signal(number)
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            assert await process.wait() == 0
    assert [message["text"]["body"] for message in business.messages] == ["Start"]
    assert business.forged == 0


async def test_the_deadline_ends_a_drain_that_nobody_takes() -> None:
    async with (
        start_simulator({**ENVIRONMENT, "SIMULATOR_DRAIN_SECONDS": "0.2"}) as process,
        aiohttp.ClientSession() as session,
    ):
        await write_start(session, await read_address(process))
        process.terminate()
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            _, errors = await process.communicate()
    assert process.returncode == 0
    assert b"1 webhook updates not accepted" in errors
    assert b"4917604069" not in errors


async def test_a_second_signal_ends_at_once() -> None:
    async with (
        start_simulator({**ENVIRONMENT, "SIMULATOR_DRAIN_SECONDS": "600"}) as process,
        aiohttp.ClientSession() as session,
    ):
        await write_start(session, await read_address(process))
        process.terminate()
        assert process.stderr is not None
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while b"stopping" not in await process.stderr.readline():
                continue
            process.terminate()
            assert await process.wait() == 128 + signal.SIGTERM


async def test_all_problems_are_named_at_once_and_no_secret() -> None:
    environment = {**ENVIRONMENT, "SIMULATOR_GRAPH_TOKEN": "kurz", "SIMULATOR_LISTEN_PORT": "viele"}
    del environment["SIMULATOR_APP_SECRET"]
    environment["SIMULATOR_TEMPLATES_FILE"] = "/gibt/es/nicht"
    status, output, errors = await finished(environment)
    assert (status, output) == (2, "")
    for name in ("APP_SECRET", "GRAPH_TOKEN", "LISTEN_PORT", "TEMPLATES_FILE"):
        assert f"SIMULATOR_{name}: " in errors
    assert "Traceback" not in errors
    assert not any(value in errors for value in ("kurz", "viele", CONTROL_TOKEN, VERIFY_TOKEN))


@pytest.mark.parametrize(
    ("setting", "value", "problem"),
    [
        ("GRAPH_URL", "https://graph.facebook.com", "the dispatcher does not send to a simulator"),
        ("GRAPH_URL", "https://meta.example", "the dispatcher does not send to a simulator"),
        ("GRAPH_URL", "http://10.0.0.7:8090", "the dispatcher does not send to a simulator"),
        ("SECRETS_DIR", "/gibt/es/nicht", "is not a folder"),
        ("TEMPLATES_FILE", "{templates}", "Falsch: name may have"),
    ],
)
def test_a_wrong_setting_is_named(
    setting: str, value: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "templates.json"
    file.write_text('[{"name":"Falsch","language":"de","category":"UTILITY","components":[]}]')
    set_environment(monkeypatch, **{f"SIMULATOR_{setting}": value.format(templates=file)})
    with pytest.raises(SettingsError, match=re.escape(f"SIMULATOR_{setting}: {problem}")):
        Templates.load(load().templates_file)


@pytest.mark.parametrize("url", ["", "http://simulator:8090", "http://[::1]:8090"])
def test_it_runs_where_the_dispatcher_sends_to_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, SIMULATOR_GRAPH_URL=url)
    load()


def set_environment(monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
    for name, value in {**ENVIRONMENT, **changes}.items():
        monkeypatch.setenv(name, value)


async def test_settings_may_be_files(tmp_path: Path) -> None:
    for name in ("APP_SECRET", "VERIFY_TOKEN", "GRAPH_TOKEN", "CONTROL_TOKEN"):
        (tmp_path / f"simulator_{name.lower()}").write_text(ENVIRONMENT[f"SIMULATOR_{name}"])
    public = {name: value for name, value in ENVIRONMENT.items() if not name.endswith(("SECRET", "TOKEN"))}
    async with start_simulator({**public, "SIMULATOR_SECRETS_DIR": str(tmp_path)}) as process:
        url = await read_address(process)
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{url}/simulator/account", headers=HEADERS) as answer,
        ):
            assert answer.status == 200


async def test_a_taken_port_is_said_without_a_traceback() -> None:
    async with start_simulator(ENVIRONMENT) as process:
        port = (await read_address(process)).rpartition(":")[2]
        status, _, errors = await finished({**ENVIRONMENT, "SIMULATOR_LISTEN_PORT": port})
    assert status == 1
    assert "cannot listen" in errors
    assert "Traceback" not in errors


async def test_help_lists_every_setting() -> None:
    status, output, _ = await finished({}, "--help")
    assert status == 0
    assert all(name in output for name in ENVIRONMENT)

"""`kreisfunk systems add`: a registration in the county's file, or the file as it was."""

import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from cli.systems import build_url, register
from deploy.atomic_write import write_secret
from deploy.paths import CONFIG
from shared.notices.configuration import Configuration, System, read_configuration
from tests.harness.commands import CommandResult, run_in_process, run_kreisfunk

ROADS = ("add", "bauamt", "--source", "/landkreis-osterholz/bauamt")
TOPICS = ("--topics", "baustellen, strassensperrungen")
# Nobody listens there.
BROKER = {
    "KREISFUNK_BROKER_URL": "amqp://admin@127.0.0.1:1/",
    "KREISFUNK_BROKER_PASSWORD": "only-for-tests",
    "KREISFUNK_BROKER_API_URL": "http://127.0.0.1:1",
}


@pytest.fixture
def county(tmp_path: Path) -> Path:
    file = tmp_path / "county.toml"
    file.write_text((CONFIG / "county.toml").read_text())
    return file


async def systems(county: Path, *arguments: str) -> CommandResult:
    return await run_in_process("systems", *arguments, environment={"KREISFUNK_COUNTY_FILE": str(county)})


def read(file: Path) -> str:
    return file.read_text()


def registered(county: Path, name: str) -> System:
    found = read_configuration(county, Configuration).find_system(name)
    assert found is not None
    return found


async def test_a_system_is_added_as_it_is_named_and_the_rest_stays_with_its_comments(county: Path) -> None:
    before = read(county)
    assert (await systems(county, *ROADS, *TOPICS)).status == 0
    assert read(county).startswith(before)
    roads = System(name="bauamt", sources=("/landkreis-osterholz/bauamt",), topics=("baustellen", "strassensperrungen"))
    assert registered(county, "bauamt") == roads
    assert "notices_per_hour = 30\n" in read(county)
    source = '/bauamt/"Straße"\\🚧'
    more = ("--source", "/second", "--topic", "stellen", "--topic", "baustellen")
    assert (await systems(county, "add", "bauamt-2", "--source", source, *more)).status == 0
    found = registered(county, "bauamt-2")
    assert (found.sources, found.topics) == ((source, "/second"), ("stellen", "baustellen"))


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("add", "pressestelle", "--source", "/new", *TOPICS), "name of its own"),
        ((*ROADS, "--topic", "wetter"), "topic"),
        (("add", "bauamt", "--source", "/h\udce4fen", *TOPICS), "not UTF-8"),
        (("add", "bauamt", "--source", "/a", "--source", "/a", *TOPICS), "one system only"),
        (("add", "kreisfunk_admin", "--source", "/new", *TOPICS), "Kreisfunk itself"),
    ],
)
async def test_what_would_make_the_file_wrong_is_refused_and_the_file_stays(
    county: Path, arguments: tuple[str, ...], word: str
) -> None:
    before = read(county)
    ended = await systems(county, *arguments)
    assert (ended.status, word in ended.errors) == (2, True), ended.everything
    assert read(county) == before


async def test_where_the_file_cannot_be_written_what_belongs_there_is_shown(
    county: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("cli.systems.write_secret", read_only)
    ended = await systems(county, *ROADS, *TOPICS)
    assert ended.status == 1
    assert 'sources = ["/landkreis-osterholz/bauamt"]' in ended.errors


def test_two_at_once_are_both_registered_with_the_mode_of_the_file(
    county: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    county.chmod(0o664)
    reading, modes = threading.Barrier(2), []

    def write_once_both_have_read(path: Path, value: str, *, mode: int) -> None:
        with suppress(threading.BrokenBarrierError):
            reading.wait(0.5)
        write_secret(path, value, mode=mode)
        modes.append(stat.S_IMODE(path.stat().st_mode))

    monkeypatch.setattr("cli.systems.write_secret", write_once_both_have_read)
    both = [System(name=name, sources=(f"/{name}",), topics=("stellen",)) for name in ("bauamt", "tiefbau")]
    with ThreadPoolExecutor() as threads:
        list(threads.map(partial(register, county), both))
    assert [registered(county, system.name) for system in both] == both
    assert modes == [0o664, 0o664]


async def test_a_file_that_cannot_be_read_is_said_to_be_so(tmp_path: Path) -> None:
    assert (await systems(tmp_path / "none.toml", *ROADS, *TOPICS)).status == 2


async def test_the_texts_of_the_file_stay_as_they_are_on_a_machine_that_does_not_use_utf_8(county: Path) -> None:
    before = read(county)
    other = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "KREISFUNK_COUNTY_FILE": str(county)}
    ended = await run_kreisfunk("systems", *ROADS, *TOPICS, environment=other)
    assert ended.status == 0, ended.everything
    assert read(county).startswith(before)


@pytest.mark.parametrize(
    ("broker", "address"),
    [
        ("amqp://admin@rabbitmq/", "amqp://bauamt:p%2Fw@rabbitmq/%2F"),
        ("amqp://admin@[::1]:5672/", "amqp://bauamt:p%2Fw@[::1]:5672/%2F"),
        ("amqps://admin@one:5671,two:5671/county", "amqps://bauamt:p%2Fw@one:5671/county"),
    ],
)
def test_the_printed_address_is_one(broker: str, address: str) -> None:
    assert build_url(broker, "bauamt", "p/w") == address


async def test_the_file_may_be_named_on_the_command_line(county: Path, tmp_path: Path) -> None:
    commands = ((*ROADS, *TOPICS), ("list",), ("login", "bauamt"))
    for file, statuses in ((tmp_path / "none.toml", [2, 2, 2]), (county, [0, 4, 4])):
        ended = [await run_in_process("systems", *each, "--county", str(file), environment=BROKER) for each in commands]
        assert [each.status for each in ended] == statuses, ended
    assert registered(county, "bauamt").name == "bauamt"


async def test_a_login_whose_system_is_registered_no_more_is_revoked_once_its_block_is_back(county: Path) -> None:
    environment = {"KREISFUNK_COUNTY_FILE": str(county), **BROKER}
    ended = await run_in_process("systems", "revoke", "bauamt", environment=environment)
    assert ended.status == 2, ended.everything
    assert "There is no system bauamt" in ended.errors
    assert "put the block back" in " ".join(ended.errors.split())

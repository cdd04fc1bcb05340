"""What `kreisfunk` says of itself, and how soon."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import COMMANDS, app, load_command
from deploy import VERSION
from deploy.paths import ROOT

WIDE = {"COLUMNS": "1000", "NO_COLOR": "1"}
# What takes long to import.
DRIVERS = {
    "aio_pika",
    "aiohttp",
    "asyncpg",
    "cryptography",
    "pydantic_settings",
    "rich.progress",
    "structlog",
    "uvloop",
}
LEDGER = {"asyncpg", "pydantic_settings"}
# What a command may have imported of them before it is known what it is to do; all others nothing.
DECLARED_WITH = {
    "broadcasts": LEDGER,
    "dead-letters": LEDGER,
    "deliveries": LEDGER,
    "keys": {"asyncpg", "cryptography", "pydantic_settings", "rich.progress"},
    "sending": LEDGER,
    "templates": LEDGER,
    "tokens": {"pydantic_settings"},
    "trace": LEDGER,
}
FEEDS_FILE = "deploy/config/feeds.toml"
NOWHERE = "no-such-folder"
NOTICE = ("--topic", "baustellen", "--headline", "K 9", "--text", "Gesperrt.")
# What needs no broker, no web or no ledger does without their drivers; what needs them, until it knows where they are.
DONE_WITH = {
    ("publish", *NOTICE, "--stack", NOWHERE): {"pydantic_settings"},
    ("withdraw", "--notice", "1", "--stack", NOWHERE): {"pydantic_settings"},
    ("feeds", "list", "--file", FEEDS_FILE, "--folder", NOWHERE): {"pydantic_settings"},
    ("feeds", "drafts", "list", "--folder", NOWHERE): {"pydantic_settings"},
    ("feeds", "check", "README.md", "--file", FEEDS_FILE): {"aiohttp", "pydantic_settings", "structlog"},
    ("systems", "add", "1", "--source", "/1", "--topic", "1", "--county", NOWHERE): {"pydantic_settings"},
}


def told(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), env=WIDE)
    assert result.exit_code == 0, result.output
    return result.output


def paths(command: Any, *names: str) -> Iterator[tuple[str, ...]]:
    """A command and all below it, by the words that call them."""
    yield names
    for name, inner in getattr(command, "commands", {}).items():
        yield from paths(inner, *names, name)


ALL = [path for name in COMMANDS for path in paths(load_command(name), name)]


def test_the_version_is_told() -> None:
    assert told("--version") == f"kreisfunk {VERSION}\n"


def test_the_help_lists_all_commands_in_groups() -> None:
    said = told("--help")
    panels = re.split(r"╭─ (.+?) ─+╮", said)
    listed = dict(zip(panels[1::2], panels[2::2], strict=True))
    for name, deferred in COMMANDS.items():
        assert re.search(rf"^│ {name}\s+{re.escape(deferred.help)}\s+│$", listed[deferred.panel], re.MULTILINE), name
    assert "Commands" not in listed


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_a_command_what_it_says_itself(name: str) -> None:
    command = load_command(name)
    assert command.help.partition("\n\n")[0] == COMMANDS[name].help
    assert command.name == name


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_is_of_whole_lines_and_names_no_path_of_this_machine(path: tuple[str, ...]) -> None:
    """On a wide terminal a line ends with its sentence; examples are lines of their own."""
    said = told(*path, "--help")
    assert str(ROOT) not in said
    assert str(Path.home()) not in said
    lines = [line.strip() for line in said.partition("╭")[0].splitlines() if line.strip()]
    assert "Usage:" in lines[0]
    assert [line for line in lines[1:] if not line.endswith((".", ":")) and not line.startswith("kreisfunk ")] == []


# Forks for each command, once what all of them need has been imported; each ends with what it has imported.
PROGRAM = """
import json, os, sys
from cli.main import app
for arguments in json.load(sys.stdin):
    if os.fork() == 0:
        told = os.dup(1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        try:
            app(arguments)
        except SystemExit:
            os.write(told, " ".join([*sys.modules, os.linesep]).encode())
        os._exit(0)
    os.wait()
"""
HELP = {word: (word,) if word.startswith("-") else (word, "--help") for word in ("--version", "--help", *COMMANDS)}
UNKNOWN = ("no-such-command",)


@pytest.fixture(scope="module")
def imported() -> Mapping[tuple[str, ...], set[str]]:
    """Every module that a command has imported when it ends, by its arguments."""
    commands = [*HELP.values(), *DONE_WITH, UNKNOWN]
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(commands),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(commands, (set(line.split()) for line in ended.stdout.splitlines()), strict=True))


def test_declaring_a_command_imports_no_driver_but_these(imported: Mapping[tuple[str, ...], set[str]]) -> None:
    found = {word: imported[arguments] & DRIVERS for word, arguments in HELP.items()}
    assert found == {word: DECLARED_WITH.get(word, set()) for word in HELP}


def test_a_command_imports_only_the_drivers_that_it_uses(imported: Mapping[tuple[str, ...], set[str]]) -> None:
    assert {arguments: imported[arguments] & DRIVERS for arguments in DONE_WITH} == DONE_WITH


@pytest.mark.parametrize("arguments", [HELP["--version"], HELP["--help"], UNKNOWN])
def test_what_calls_no_command_imports_none(
    imported: Mapping[tuple[str, ...], set[str]], arguments: tuple[str, ...]
) -> None:
    ours = [name for name in imported[arguments] if name.startswith(("cli.", "shared", "services"))]
    assert ours == ["cli.main"]

"""What `kreisfunk` says of itself, and how soon."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import COMMANDS, app, load_command
from deploy import VERSION
from tests.unit.rules.planting import REPOSITORY

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
def test_help_names_no_path_of_this_machine(path: tuple[str, ...]) -> None:
    assert str(REPOSITORY) not in told(*path, "--help")
    assert str(Path.home()) not in told(*path, "--help")


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_a_line_of_help_ends_with_its_sentence(path: tuple[str, ...]) -> None:
    """On a wide terminal; examples are lines of their own."""
    prose = told(*path, "--help").partition("╭")[0]
    lines = [line.strip() for line in prose.splitlines() if line.strip()]
    assert "Usage:" in lines[0]
    assert [line for line in lines[1:] if not line.endswith((".", ":")) and not line.startswith("kreisfunk ")] == []


@pytest.mark.parametrize("word", ["--version", "--help", *COMMANDS])
def test_declaring_a_command_imports_no_driver_but_these(word: str) -> None:
    found = imported(*((word,) if word.startswith("-") else (word, "--help")))
    assert found & DRIVERS == DECLARED_WITH.get(word, set())


@pytest.mark.parametrize("arguments", DONE_WITH, ids=" ".join)
def test_a_command_imports_only_the_drivers_that_it_uses(arguments: tuple[str, ...]) -> None:
    assert imported(*arguments) & DRIVERS == DONE_WITH[arguments]


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("no-such-command",)])
def test_what_calls_no_command_imports_none(arguments: tuple[str, ...]) -> None:
    assert [name for name in imported(*arguments) if name.startswith(("cli.", "shared", "services"))] == ["cli.main"]


def imported(*arguments: str) -> set[str]:
    """Every module that the command has imported when it ends."""
    program = (
        "import sys\nfrom cli.main import app\ntry: app(sys.argv[1:])\nexcept SystemExit: pass\n"
        "sys.stderr.write('\\nimported ' + ' '.join(sys.modules))"
    )
    command = [sys.executable, "-c", program, *arguments]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return set(ended.stderr.rpartition("imported ")[2].split())

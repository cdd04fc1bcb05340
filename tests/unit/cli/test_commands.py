"""Help of `kreisfunk`, which imports only the command that is called."""

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
from deploy.paths import ROOT

WIDE = {"COLUMNS": "1000", "NO_COLOR": "1"}


def invoke(*arguments: str) -> str:
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
    assert invoke("--version") == f"kreisfunk {VERSION}\n"


def test_the_help_lists_all_commands_in_groups() -> None:
    said = invoke("--help")
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
    said = invoke(*path, "--help")
    assert str(ROOT) not in said
    assert str(Path.home()) not in said
    lines = [line.strip() for line in said.partition("╭")[0].splitlines() if line.strip()]
    assert "Usage:" in lines[0]
    assert [line for line in lines[1:] if not line.endswith((".", ":")) and not line.startswith("kreisfunk ")] == []


PROGRAM = """
import atexit, sys
from cli.main import app
atexit.register(lambda: print(*sys.modules))
app(sys.argv[1:])
"""


@pytest.mark.parametrize("argument", ["--version", "--help", "no-such-command"])
def test_what_calls_no_command_imports_none(argument: str) -> None:
    command = [sys.executable, "-c", PROGRAM, argument]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    imported = ended.stdout.splitlines()[-1].split()
    assert [name for name in imported if name.startswith(("cli.", "shared", "services"))] == ["cli.main"]

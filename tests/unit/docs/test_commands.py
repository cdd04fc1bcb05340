"""Every command in the guides and the runbooks exists, with its service and its options."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest
from typer.exceptions import TyperException

from cli.main import load_command
from tests.runbook_pages import FOLDER, read_commands
from tools.docs.generate import DOCS

PAGES = (
    *DOCS.glob("guides/*.md"),
    DOCS / "checklist-go-live.md",
    DOCS / "integration.md",
    DOCS / "simulator.md",
)
PROGRAM = r"(?:docker compose|\.venv/bin/kreisfunk)"
IN_A_BLOCK = re.compile(rf"^(?: {{4,}}|.*\$\()?({PROGRAM} .+)$", re.MULTILINE)
IN_A_LINE = re.compile(rf"`({PROGRAM} [^`]+)`")
# What only the shell reads.
ENDS = re.compile(r" (?:\||&&|<|<<'END'|#)(?: .*)?$|\)$")
WITH_VALUE = ("-v", "--profile", "--since")
PLACEHOLDERS = {**dict.fromkeys(("ID", "BROADCAST", "DELIVERY"), str(uuid4())), "SERVICE": "newsroom"}
COMPOSE = msgspec.yaml.decode((DOCS.parent / "docker-compose.yml").read_bytes())["services"]


def find_commands(page: Path) -> Iterator[str]:
    text = page.read_text().replace("\\\n", " ")
    for command in (*IN_A_BLOCK.findall(text), *IN_A_LINE.findall(text)):
        yield " ".join(ENDS.sub("", command.replace("\\|", "|")).split())


COMMANDS = sorted(
    {command for page in PAGES for command in find_commands(page) if " sh -c " not in command}
    | {command for page in FOLDER.glob("*.md") for command in read_commands(page.stem)}
)


def take_options(words: list[str]) -> None:
    while words and words[0].startswith("-"):
        if words.pop(0) in WITH_VALUE:
            words.pop(0)


@pytest.mark.parametrize("command", COMMANDS)
def test_it_exists(command: str) -> None:
    parse_command(command)


def parse_command(command: str) -> None:
    """Raise an error if there is no such service, command or option."""
    program, *words = [PLACEHOLDERS.get(word, word) for word in shlex.split(command)]
    if program == "df":
        return
    if program != "docker":
        parse_called("kreisfunk", *words)
        return
    del words[0]
    take_options(words)
    verb = words.pop(0)
    take_options(words)
    if verb not in ("run", "exec"):
        assert set(words) <= set(COMPOSE)
    elif service := COMPOSE[words.pop(0)]:
        parse_called(*(service.get("entrypoint", ()) if verb == "run" else ()), *words)


def parse_called(program: str = "", *arguments: str) -> None:
    """As the command itself does before it runs; `users` and `tokens …` stand for any of theirs."""
    if program != "kreisfunk" or arguments[1:] in ((), ("…",), ("users",), ("users", "…")):
        return
    name, *left = arguments
    command = load_command(name)
    while left and hasattr(command, "commands") and not left[0].startswith("-"):
        command = command.commands[left.pop(0)]
    command.make_context(name, left)


@pytest.mark.parametrize(
    "wrong",
    [
        "docker compose run --rm operate broadcasts forget",
        "docker compose run --rm operate deliveries settle ID --as lost",
        "docker compose run --rm operate sending --louder",
        "docker compose restart newsrooms",
    ],
)
def test_a_command_that_does_not_exist_is_found(wrong: str) -> None:
    with pytest.raises((TyperException, KeyError, AssertionError)):
        parse_command(wrong)


def test_the_guides_have_commands() -> None:
    assert len(COMMANDS) > 150

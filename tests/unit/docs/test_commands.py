"""Every command in the guides exists, with its service and its options."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.unit.docs.test_runbooks import COMPOSE, parse_kreisfunk
from tools.docs.generate import DOCS

PAGES = (
    *sorted(DOCS.glob("guides/*.md")),
    DOCS / "checklist-go-live.md",
    DOCS / "integration.md",
    DOCS / "simulator.md",
)
PROGRAM = r"(?:docker compose|\.venv/bin/kreisfunk)"
IN_A_BLOCK = re.compile(rf"^(?: {{4,}}|.*\$\()?({PROGRAM} .+)$", re.MULTILINE)
IN_A_LINE = re.compile(rf"`({PROGRAM} [^`]+)`")
# What only the shell reads.
ENDS = re.compile(r" (?:\||&&|<|<<'END'|#)(?: .*)?$|\)$")
WITH_VALUE = ("-v", "--profile")
PLACEHOLDERS = {"ID": str(uuid4()), "DELIVERY": str(uuid4()), "SERVICE": "newsroom"}


def find_commands(page: Path) -> Iterator[str]:
    text = page.read_text().replace("\\\n", " ")
    for command in (*IN_A_BLOCK.findall(text), *IN_A_LINE.findall(text)):
        yield " ".join(ENDS.sub("", command.replace("\\|", "|")).split())


COMMANDS = sorted({command for page in PAGES for command in find_commands(page) if " sh -c " not in command})


def take_options(words: list[str]) -> None:
    while words and words[0].startswith("-"):
        if words.pop(0) in WITH_VALUE:
            words.pop(0)


@pytest.mark.parametrize("command", COMMANDS)
def test_it_exists(command: str) -> None:
    program, *words = [PLACEHOLDERS.get(word, word) for word in shlex.split(command)]
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
    """Raise an error if there is no such command or option of ours; `users` and `tokens …` stand for any of theirs."""
    if program == "kreisfunk" and arguments[1:] not in ((), ("…",), ("users",), ("users", "…")):
        parse_kreisfunk(program, *arguments)


def test_the_guides_have_commands() -> None:
    assert len(COMMANDS) > 80

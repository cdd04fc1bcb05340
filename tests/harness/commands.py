"""The command as a person runs it: a process of its own, with an environment of its own."""

import asyncio
import json
import logging
import os
import pty
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import structlog
from typer.testing import CliRunner

from cli.main import app
from cli.stacks import use_environment
from deploy.paths import ROOT

HIDDEN = "(not shown)"


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """How a command ended, and what it wrote."""

    status: int
    output: str
    errors: str

    @property
    def json(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.output)
        return answer

    @property
    def everything(self) -> str:
        return self.output + self.errors


async def run_kreisfunk(*arguments: str, environment: Mapping[str, str] | None = None) -> CommandResult:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cli.main",
        *arguments,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "COLUMNS": "200", **(environment or {})},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, complaint = await process.communicate()
    assert process.returncode is not None
    return CommandResult(status=process.returncode, output=output.decode(), errors=complaint.decode())


async def run_on_terminal(
    *arguments: str, typed: str, environment: Mapping[str, str], prompt: str = "[y/N]"
) -> CommandResult:
    """The command with a person at a terminal, who types this once the command asks; `complaint` is what they see."""
    ours, theirs = pty.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "cli.main", *arguments),
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "TERM": "xterm", "COLUMNS": "200", **environment},
            stdin=theirs,
            stdout=asyncio.subprocess.PIPE,
            stderr=theirs,
            start_new_session=True,  # else a hidden question is asked at the terminal of whoever runs the tests
        )
        os.close(theirs)
        seen = await asyncio.to_thread(_type_into, ours, typed, prompt)
        output, _ = await process.communicate()
    finally:
        os.close(ours)
    assert process.returncode is not None
    return CommandResult(status=process.returncode, output=output.decode(), errors=seen)


def _wait_until_heard(terminal: int, *, hidden: bool) -> None:
    """Until what is typed is not shown: what was typed before that is thrown away."""
    while hidden and termios.tcgetattr(terminal)[3] & termios.ECHO:
        time.sleep(0.01)


def _type_into(terminal: int, typed: str, prompt: str) -> str:
    """Until the other side closes it, which Linux tells as an error."""
    seen, answered = "", False
    try:
        while chunk := os.read(terminal, 4096):
            seen += chunk.decode(errors="replace")
            if not answered and prompt in seen:
                _wait_until_heard(terminal, hidden=prompt == HIDDEN)
                os.write(terminal, f"{typed}\n".encode())
                answered = True
    except OSError:
        pass
    return seen


async def run_in_process(*arguments: str, environment: Mapping[str, str]) -> CommandResult:
    """The same inside this process, where a start costs nothing; in a thread, since commands begin their own loop."""
    return await asyncio.to_thread(_invoke, arguments, {"COLUMNS": "200", **environment})


def _invoke(arguments: Sequence[str], environment: Mapping[str, str]) -> CommandResult:
    with use_environment(environment), _restore_logs():
        result = CliRunner().invoke(app, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return CommandResult(status=result.exit_code, output=result.stdout, errors=result.stderr)


@contextmanager
def _restore_logs() -> Iterator[None]:
    """No logger of this process keeps writing to the standard error of a command, which is closed when it ends."""
    configure, handlers = structlog.configure, logging.root.handlers[:]

    def configure_uncached(**given: Any) -> None:
        configure(**{**given, "cache_logger_on_first_use": False})

    try:
        with patch.object(structlog, "configure", configure_uncached):
            yield
    finally:
        structlog.reset_defaults()
        logging.root.handlers[:] = handlers

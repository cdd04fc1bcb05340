"""The `kreisfunk` command as a person runs it: as a process with its own environment."""

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
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote, urlsplit

import structlog
from typer.testing import CliRunner

from cli.main import app
from cli.stacks import use_environment
from deploy.paths import ROOT
from tests.servers import Servers

HIDDEN = "(not shown)"


@dataclass(frozen=True, kw_only=True)
class CommandResult:
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


def build_admin_settings(servers: Servers, url: str) -> dict[str, str]:
    """Return an administrator's settings, with a database that nobody reaches; the password is not in the URL."""
    password = urlsplit(url).password or ""
    return {
        "KREISFUNK_BROKER_URL": url.replace(f":{password}@", "@"),
        "KREISFUNK_BROKER_PASSWORD": unquote(password),
        "KREISFUNK_BROKER_API_URL": servers.broker_api_url,
        "KREISFUNK_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x",
        "KREISFUNK_DATABASE_PASSWORD": "x",
        "KREISFUNK_LOGIN_PASSWORDS": "{}",
    }


async def start_kreisfunk(
    *arguments: str, environment: Mapping[str, str] | None = None, **options: Any
) -> asyncio.subprocess.Process:
    """Start the command; `options` are those of `create_subprocess_exec`."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "cli.main", *arguments),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "COLUMNS": "200", **(environment or {})},
        **options,
    )


async def run_kreisfunk(*arguments: str, environment: Mapping[str, str] | None = None) -> CommandResult:
    pipe = asyncio.subprocess.PIPE
    process = await start_kreisfunk(*arguments, environment=environment, stdout=pipe, stderr=pipe)
    output, errors = await process.communicate()
    assert process.returncode is not None
    return CommandResult(status=process.returncode, output=output.decode(), errors=errors.decode())


async def run_on_terminal(
    *arguments: str, typed: str, environment: Mapping[str, str], prompt: str = "[y/N]"
) -> CommandResult:
    """Run the command on a terminal, and type an answer at the prompt; `errors` is the terminal's content."""
    ours, theirs = pty.openpty()
    try:
        process = await start_kreisfunk(
            *arguments,
            environment={"TERM": "xterm", **environment},
            stdin=theirs,
            stdout=asyncio.subprocess.PIPE,
            stderr=theirs,
            start_new_session=True,  # else hidden questions appear on the terminal of the test run
        )
        os.close(theirs)
        screen = await asyncio.to_thread(_type_into, ours, typed, prompt)
        output, _ = await process.communicate()
    finally:
        os.close(ours)
    assert process.returncode is not None
    return CommandResult(status=process.returncode, output=output.decode(), errors=screen)


def _wait_until_ready(terminal: int, *, hidden: bool) -> None:
    """Wait until a hidden question has turned echo off, as earlier input is discarded."""
    while hidden and termios.tcgetattr(terminal)[3] & termios.ECHO:
        time.sleep(0.01)


def _type_into(terminal: int, typed: str, prompt: str) -> str:
    """Return the screen until the other side closes the terminal, which Linux reports as an error."""
    screen, answered = "", False
    try:
        while chunk := os.read(terminal, 4096):
            screen += chunk.decode(errors="replace")
            if not answered and prompt in screen:
                _wait_until_ready(terminal, hidden=prompt == HIDDEN)
                os.write(terminal, f"{typed}\n".encode())
                answered = True
    except OSError:
        pass
    return screen


async def run_in_process(*arguments: str, environment: Mapping[str, str]) -> CommandResult:
    """Run the command inside this process, which saves its start; in a thread, as commands run their own loop."""
    return await asyncio.to_thread(_invoke, arguments, {"COLUMNS": "200", **environment})


async def create_login(stack: Path, system: str) -> str:
    """Create a login for a registered system of this local stack, as an operator does; return its URL."""
    created = await run_in_process("systems", "login", system, "--url", "--stack", str(stack), environment={})
    assert created.status == 0, created.everything
    return created.output.strip()


def _invoke(arguments: Sequence[str], environment: Mapping[str, str]) -> CommandResult:
    with use_environment(environment), _restore_logs():
        result = CliRunner().invoke(app, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return CommandResult(status=result.exit_code, output=result.stdout, errors=result.stderr)


@contextmanager
def _restore_logs() -> Iterator[None]:
    """Keep loggers of this process from writing to the standard error of a command that has ended."""
    configure, handlers = structlog.configure, logging.root.handlers[:]

    def configure_uncached(**options: Any) -> None:
        configure(**{**options, "cache_logger_on_first_use": False})

    try:
        with patch.object(structlog, "configure", configure_uncached):
            yield
    finally:
        structlog.reset_defaults()
        logging.root.handlers[:] = handlers

"""What the command does."""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import typer

from cli.demo.books import open_books
from cli.demo.figures import Books, Figures, figures, problems
from cli.demo.play import PublishError, Stage, play
from cli.demo.progress import NothingMovesError
from cli.demo.simulator import open_simulator
from cli.output import EXIT_FAILED, console, fail, say
from deploy.local.environments import inherited_environment
from deploy.local.errors import LocalError
from deploy.local.stack import Stack, local_stack

KILLED = ("dispatcher-1", "subscriptions-1")
GRACE_SECONDS = "3"
TIMEOUT_SECONDS = "5"


def play_demo(folder: Path, citizens: int, rate: int, dispatchers: int, kill: bool) -> None:
    """Say how it went, and end the command with its status."""
    try:
        result, books = asyncio.run(_demo(folder, citizens, rate, dispatchers, kill))
    except LocalError as error:
        fail(str(error))
    except (NothingMovesError, PublishError) as error:
        console.print(str(error), style="bold red", markup=False)
        say(f"demo: FAILED {error}")
        raise typer.Exit(EXIT_FAILED) from None
    wrong = problems(result, books)
    for problem in wrong:
        console.print(problem, style="bold red", markup=False)
    say(f"demo: {'FAILED' if wrong else 'ok'} {result.line()}")
    raise typer.Exit(EXIT_FAILED if wrong else 0)


async def _demo(folder: Path, citizens: int, rate: int, dispatchers: int, kill: bool) -> tuple[Figures, Books]:
    settings = {
        "dispatcher": {
            "KREISFUNK_UNKNOWN_GRACE_SECONDS": GRACE_SECONDS,
            "KREISFUNK_REQUEST_TIMEOUT_SECONDS": TIMEOUT_SECONDS,
        }
    }
    async with local_stack(
        folder, dispatchers=dispatchers, messages_per_second=rate, fresh=True, settings=settings, progress=_tell
    ) as stack:
        started = time.monotonic()
        books = await _play(stack, citizens, rate, kill)
        return figures(books, time.monotonic() - started), books


async def _play(stack: Stack, citizens: int, rate: int, kill: bool) -> Books:
    async with (
        open_simulator(stack.simulator_url, stack.control_token) as simulator,
        open_books(stack.monitor_database_url) as books,
    ):
        stage = Stage(
            simulator=simulator,
            books=books,
            publisher={**inherited_environment(os.environ), **stack.publisher},
            limit=rate,
            kill=_killer(stack) if kill else None,
            say=_tell,
        )
        return await play(stage, citizens)


def _killer(stack: Stack) -> Callable[[], Coroutine[Any, Any, float]]:
    async def kill() -> float:
        for name in KILLED:
            _tell(f"killing {name}; the supervisor starts it again")
            stack.supervisor.kill(name)
        for name in KILLED:
            await stack.supervisor.until_ready(name)
        return time.time()

    return kill


def _tell(step: str) -> None:
    console.print(f"- {step}", markup=False)

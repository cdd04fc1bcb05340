"""Action of `kreisfunk demo`."""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import typer

from cli.demo.figures import DemoFigures, DemoRecords, compute_figures, find_problems
from cli.demo.ledger_reader import open_ledger_reader
from cli.demo.play import DemoContext, PublishError, play
from cli.output import EXIT_FAILED, fail, note, print_step, say
from cli.progress import NoProgressError
from deploy.local.environments import filter_inherited
from deploy.local.errors import LocalError
from deploy.local.stack import Stack, run_stack
from simulator.client import open_simulator_client

KILLED_PROCESSES = ("dispatcher-1", "subscriptions-1")
GRACE_SECONDS = "3"
TIMEOUT_SECONDS = "5"


def play_demo(folder: Path, citizens: int, rate: int, dispatchers: int, kill: bool) -> None:
    """Run the demo, print its result, and end the command with its status."""
    try:
        result, books = asyncio.run(_run_demo(folder, citizens, rate, dispatchers, kill))
    except LocalError as error:
        fail(str(error))
    except (NoProgressError, PublishError) as error:
        note(str(error), "bold red")
        say(f"demo: FAILED {error}")
        raise typer.Exit(EXIT_FAILED) from None
    wrong = find_problems(result, books)
    for problem in wrong:
        note(problem, "bold red")
    say(f"demo: {'FAILED' if wrong else 'ok'} {result.format_line()}")
    raise typer.Exit(EXIT_FAILED if wrong else 0)


async def _run_demo(
    folder: Path, citizens: int, rate: int, dispatchers: int, kill: bool
) -> tuple[DemoFigures, DemoRecords]:
    settings = {
        "dispatcher": {
            "KREISFUNK_UNKNOWN_GRACE_SECONDS": GRACE_SECONDS,
            "KREISFUNK_REQUEST_TIMEOUT_SECONDS": TIMEOUT_SECONDS,
        }
    }
    async with run_stack(
        folder, dispatchers=dispatchers, messages_per_second=rate, fresh=True, settings=settings, progress=print_step
    ) as stack:
        started = time.monotonic()
        books = await _play(stack, citizens, rate, kill)
        return compute_figures(books, time.monotonic() - started), books


async def _play(stack: Stack, citizens: int, rate: int, kill: bool) -> DemoRecords:
    async with (
        open_simulator_client(stack.simulator_url, stack.control_token) as simulator,
        open_ledger_reader(stack.monitor_database_url) as books,
    ):
        stage = DemoContext(
            simulator=simulator,
            ledger=books,
            publisher={**filter_inherited(os.environ), **stack.publisher},
            limit=rate,
            kill=_build_kill(stack) if kill else None,
            say=print_step,
        )
        return await play(stage, citizens)


def _build_kill(stack: Stack) -> Callable[[], Coroutine[Any, Any, float]]:
    async def kill() -> float:
        for name in KILLED_PROCESSES:
            print_step(f"killing {name}; the supervisor starts it again")
            stack.supervisor.kill(name)
        for name in KILLED_PROCESSES:
            await stack.supervisor.wait_until_ready(name)
        return time.time()

    return kill

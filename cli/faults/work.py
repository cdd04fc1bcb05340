"""What the command does."""

import asyncio
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from cli.broker import silence_drivers
from cli.demo.progress import NothingMovesError
from cli.faults import report
from cli.faults.course import Run, play
from cli.faults.plan import SHORT, SHORT_SECONDS, USUAL, Fault, make_plan, seconds_for
from cli.faults.verdict import judge
from cli.output import EXIT_FAILED, console, fail, say
from deploy.local.errors import LocalError

# WhatsApp lets one person get a message every six seconds on the whole: fewer citizens would be the limit, and some
# broadcast has to be waiting at any moment.
CITIZENS_PER_RATE = 18
SHORT_DELIVERIES_PER_RATE = 15


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """What the command line says."""

    seed: int | None
    minutes: float | None
    deliveries: int
    rate: int
    short: bool
    folder: Path
    history: bool


def play_all(options: BenchOptions, *, as_json: bool) -> None:
    """Say what was found, and end the command with its status."""
    silence_drivers()
    seed = secrets.randbelow(10_000) if options.seed is None else options.seed
    plan, goal = _plan(options, seed)
    run = Run(
        folder=options.folder,
        seed=seed,
        plan=plan,
        deliveries=goal,
        citizens=options.rate * CITIZENS_PER_RATE,
        rate=options.rate,
        history=options.history,
        say=_tell,
    )
    _tell(f"seed {seed}: {len(plan)} faults in {max(fault.until for fault in plan):.0f} s")
    result = _result(run)
    _show(result, options.folder, as_json)
    raise typer.Exit(0 if result["ok"] else EXIT_FAILED)


def _plan(options: BenchOptions, seed: int) -> tuple[tuple[Fault, ...], int]:
    if options.short:
        return make_plan(seed, SHORT_SECONDS, SHORT), options.rate * SHORT_DELIVERIES_PER_RATE
    if options.minutes is not None:
        return make_plan(seed, options.minutes * 60, USUAL), 0
    return make_plan(seed, seconds_for(deliveries=options.deliveries, rate=options.rate), USUAL), options.deliveries


def _result(run: Run) -> dict[str, Any]:
    try:
        evidence, restless = asyncio.run(play(run))
    except (LocalError, NothingMovesError) as error:
        fail(str(error))
    return report.as_object(evidence, judge(evidence), restless, seed=run.seed, rate=run.rate)


def _show(result: dict[str, Any], folder: Path, as_json: bool) -> None:
    path = report.write(folder, result)
    for table in report.tables(result):
        console.print(table)
    for finding in report.findings(result):
        console.print(finding, style="bold red", markup=False)
    _tell(f"the whole report is in {path}")
    say(json.dumps(result, ensure_ascii=False) if as_json else report.line(result))


def _tell(step: str) -> None:
    console.print(f"- {step}", markup=False)

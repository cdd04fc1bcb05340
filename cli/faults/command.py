"""The command."""

import asyncio
import json as json_module
import secrets
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.broker import silence_drivers
from cli.demo.progress import NothingMovesError
from cli.faults import report
from cli.faults.course import Run, play
from cli.faults.plan import SHORT, SHORT_SECONDS, USUAL, Fault, make_plan, seconds_for
from cli.faults.verdict import judge
from cli.output import EXIT_FAILED, console, fail, say
from deploy.local.errors import LocalError

FOLDER = Path(".local/faults")
# WhatsApp lets one person get a message every six seconds on the whole: fewer citizens would be the limit, and some
# broadcast has to be waiting at any moment.
CITIZENS_PER_RATE = 18
SHORT_DELIVERIES_PER_RATE = 15


def faults(
    seed: Annotated[int | None, typer.Option(min=0, help="The same seed makes the same plan.")] = None,
    minutes: Annotated[float | None, typer.Option(min=1, max=600, help="How long faults go on.")] = None,
    deliveries: Annotated[int, typer.Option(min=100, max=2_000_000, help="At least so many, however long.")] = 20_000,
    rate: Annotated[int, typer.Option(min=20, max=1000, help="The number's limit in messages per second.")] = 200,
    short: Annotated[
        bool, typer.Option("--short", help="Every kind of fault once, in about seven minutes, for a pipeline.")
    ] = False,
    folder: Annotated[Path, typer.Option(help="Of the run: data, logs, faults.json; begun anew each time.")] = FOLDER,
    json: Annotated[bool, typer.Option("--json", help="The whole report as JSON on stdout.")] = False,
    history: Annotated[bool, typer.Option("--history", help="Keep every change of the ledger, to search in.")] = False,
) -> None:
    """Break the system again and again while it works, then compare the simulator's account with the ledger.

    Three dispatchers and two of each other service send broadcasts, urgent ones and replies, and take Stops and
    statuses, while a seeded plan kills, freezes and restarts processes, RabbitMQ and PostgreSQL, cuts and slows
    connections, and lets Meta misbehave. Exit status 0 only if nothing was lost, doubled, sent after a Stop, late,
    unaccounted for, too fast or needlessly slow, and if nothing personal is left readable in any log, metric, message
    or table.
    """
    silence_drivers()
    chosen = secrets.randbelow(10_000) if seed is None else seed
    plan, goal = _plan(chosen, minutes, deliveries, rate, short)
    run = Run(
        folder=folder,
        seed=chosen,
        plan=plan,
        deliveries=goal,
        citizens=rate * CITIZENS_PER_RATE,
        rate=rate,
        history=history,
        say=_tell,
    )
    _tell(f"seed {chosen}: {len(plan)} faults in {max(fault.until for fault in plan):.0f} s")
    result = _result(run)
    _show(result, folder, json)
    raise typer.Exit(0 if result["ok"] else EXIT_FAILED)


def _plan(seed: int, minutes: float | None, deliveries: int, rate: int, short: bool) -> tuple[tuple[Fault, ...], int]:
    if short:
        return make_plan(seed, SHORT_SECONDS, SHORT), rate * SHORT_DELIVERIES_PER_RATE
    if minutes is not None:
        return make_plan(seed, minutes * 60, USUAL), 0
    return make_plan(seed, seconds_for(deliveries=deliveries, rate=rate), USUAL), deliveries


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
    say(json_module.dumps(result, ensure_ascii=False) if as_json else report.line(result))


def _tell(step: str) -> None:
    console.print(f"- {step}", markup=False)

"""What the command does."""

import asyncio
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from cli.broker import suppress_driver_logs
from cli.output import EXIT_FAILED, console, fail, say
from cli.progress import NoProgressError
from deploy.local import LocalError
from tests.faults import report
from tests.faults.evaluation import evaluate_run
from tests.faults.fault_types import build_fault_types
from tests.faults.node_faults import SCALED_DISPATCHERS, make_node_plan
from tests.faults.plan import DEFAULT_PACE, SHORT_PACE, Fault, compute_round_seconds, compute_work_seconds, make_plan
from tests.faults.run import FaultRun, execute_run

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
    dispatchers: int
    short: bool
    nodes: bool
    folder: Path
    history: bool


def play_all(options: BenchOptions, *, as_json: bool) -> None:
    """Say what was found, and end the command with its status."""
    suppress_driver_logs()
    seed = secrets.randbelow(10_000) if options.seed is None else options.seed
    plan, goal = _build_plan(options, seed)
    run = FaultRun(
        folder=options.folder,
        seed=seed,
        plan=plan,
        deliveries=goal,
        citizens=options.rate * CITIZENS_PER_RATE,
        rate=options.rate,
        dispatchers=SCALED_DISPATCHERS if options.nodes else options.dispatchers,
        history=options.history,
        say=_print_step,
        nodes=options.nodes,
    )
    _print_step(f"seed {seed}: {len(plan)} faults in {max(fault.until for fault in plan):.0f} s")
    result = _execute(run)
    _print_report(result, options.folder, as_json)
    raise typer.Exit(0 if result["ok"] else EXIT_FAILED)


def _build_plan(options: BenchOptions, seed: int) -> tuple[tuple[Fault, ...], int]:
    """Return the plan, and how many deliveries there have to be at least."""
    if options.nodes:
        return make_node_plan(seed), 0
    types, pace = build_fault_types(options.dispatchers), SHORT_PACE if options.short else DEFAULT_PACE
    if options.minutes is not None and not options.short:
        return make_plan(seed, options.minutes * 60, pace, types), 0
    goal = options.rate * SHORT_DELIVERIES_PER_RATE if options.short else options.deliveries
    seconds = max(compute_round_seconds(seed, pace, types), compute_work_seconds(deliveries=goal, rate=options.rate))
    return make_plan(seed, seconds, pace, types), goal


def _execute(run: FaultRun) -> dict[str, Any]:
    try:
        evidence, restless = asyncio.run(execute_run(run))
    except (LocalError, NoProgressError) as error:
        fail(str(error))
    return report.build_report(evidence, evaluate_run(evidence), restless, seed=run.seed, rate=run.rate)


def _print_report(result: dict[str, Any], folder: Path, as_json: bool) -> None:
    path = report.write_report(folder, result)
    for table in report.build_tables(result):
        console.print(table)
    for finding in report.format_violations(result):
        console.print(finding, style="bold red", markup=False)
    _print_step(f"the whole report is in {path}")
    say(json.dumps(result, ensure_ascii=False) if as_json else report.format_line(result))


def _print_step(step: str) -> None:
    console.print(f"- {step}", markup=False)

"""The fault bench's command: `python -m tests.faults`."""

import asyncio
import json as json_format
import secrets
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from cli.broker import suppress_driver_logs
from cli.output import Exit, console, fail, say
from cli.progress import NoProgressError
from deploy import LocalError
from tests.faults import report
from tests.faults.evaluation import evaluate_run
from tests.faults.fault_types import DISPATCHERS, MAX_DISPATCHERS, build_fault_types
from tests.faults.node_faults import SCALED_DISPATCHERS, make_node_plan
from tests.faults.plan import DEFAULT_PACE, SHORT_PACE, compute_round_seconds, compute_work_seconds, make_plan
from tests.faults.run import FaultRun, execute_run

DEFAULT_FOLDER = Path(".local/faults")
# WhatsApp permits one message per person every six seconds on average: fewer citizens would limit the rate, and some
# broadcast has to be waiting at any moment.
CITIZENS_PER_RATE = 18
SHORT_DELIVERIES_PER_RATE = 15


def faults(
    seed: Annotated[int | None, typer.Option(min=0, help="The same seed makes the same plan.")] = None,
    minutes: Annotated[float | None, typer.Option(min=1, max=600, help="Duration of the faults.")] = None,
    deliveries: Annotated[int, typer.Option(min=100, max=2_000_000, help="At least so many, however long.")] = 20_000,
    rate: Annotated[int, typer.Option(min=20, max=1000, help="The number's limit in messages per second.")] = 200,
    dispatchers: Annotated[
        int, typer.Option(min=1, max=MAX_DISPATCHERS, help="Number of dispatchers; not with --nodes.")
    ] = DISPATCHERS,
    short: Annotated[
        bool, typer.Option("--short", help="Every kind of fault once, in about eight minutes, for a pipeline.")
    ] = False,
    nodes: Annotated[
        bool, typer.Option("--nodes", help="Instead: three brokers and three databases, and faults of single nodes.")
    ] = False,
    folder: Annotated[Path, typer.Option(help="Data, logs and faults.json; emptied at each start.")] = DEFAULT_FOLDER,
    json: Annotated[bool, typer.Option("--json", help="The whole report as JSON on stdout.")] = False,
    history: Annotated[bool, typer.Option("--history", help="Record every change of the ledger.")] = False,
) -> None:
    """Inject faults into the running system, then reconcile the simulator's account with the ledger.

    Dispatchers and two processes each of subscriptions and ingress send broadcasts, urgent ones and replies, and take
    Stops and statuses, while a seeded plan kills, freezes and restarts processes, RabbitMQ and PostgreSQL, cuts
    and slows connections, and lets Meta misbehave. Exit status 0 only if nothing was lost, doubled, sent after a Stop,
    late, unaccounted for, too fast or needlessly slow, and if no personal data is readable in any log, metric, message
    or table.
    """
    suppress_driver_logs()
    seed = secrets.randbelow(10_000) if seed is None else seed
    types, pace, goal = build_fault_types(dispatchers), SHORT_PACE if short else DEFAULT_PACE, 0
    if nodes:
        plan = make_node_plan(seed)
    elif minutes is not None and not short:
        plan = make_plan(seed, minutes * 60, pace, types)
    else:
        goal = rate * SHORT_DELIVERIES_PER_RATE if short else deliveries
        seconds = max(compute_round_seconds(seed, pace, types), compute_work_seconds(deliveries=goal, rate=rate))
        plan = make_plan(seed, seconds, pace, types)
    run = FaultRun(
        folder=folder,
        seed=seed,
        plan=plan,
        deliveries=goal,
        citizens=rate * CITIZENS_PER_RATE,
        rate=rate,
        dispatchers=SCALED_DISPATCHERS if nodes else dispatchers,
        history=history,
        say=_print_step,
        nodes=nodes,
    )
    _print_step(f"seed {seed}: {len(plan)} faults in {max(fault.until for fault in plan):.0f} s")
    _execute(run, json=json)


def _execute(run: FaultRun, *, json: bool) -> NoReturn:
    try:
        evidence, restless = asyncio.run(execute_run(run))
    except (LocalError, NoProgressError) as error:
        fail(str(error))
    result = report.build_report(evidence, evaluate_run(evidence), restless, seed=run.seed, rate=run.rate)
    path = run.folder / "faults.json"
    path.write_text(json_format.dumps(result, indent=2, ensure_ascii=False) + "\n")
    console.print(report.build_figures_table(result))
    console.print(report.build_faults_table(result))
    for finding in report.format_violations(result):
        console.print(finding, style="bold red", markup=False)
    _print_step(f"the whole report is in {path}")
    say(json_format.dumps(result, ensure_ascii=False) if json else report.format_line(result))
    raise typer.Exit(0 if result["ok"] else Exit.FAILED)


def _print_step(step: str) -> None:
    console.print(f"- {step}", markup=False)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(faults)
    app(prog_name="python -m tests.faults")

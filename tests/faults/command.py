"""Command of the fault bench."""

from pathlib import Path
from typing import Annotated

import typer

from tests.faults.fault_types import DISPATCHERS, MAX_DISPATCHERS

DEFAULT_FOLDER = Path(".local/faults")


def faults(
    seed: Annotated[int | None, typer.Option(min=0, help="The same seed makes the same plan.")] = None,
    minutes: Annotated[float | None, typer.Option(min=1, max=600, help="How long faults go on.")] = None,
    deliveries: Annotated[int, typer.Option(min=100, max=2_000_000, help="At least so many, however long.")] = 20_000,
    rate: Annotated[int, typer.Option(min=20, max=1000, help="The number's limit in messages per second.")] = 200,
    dispatchers: Annotated[
        int, typer.Option(min=1, max=MAX_DISPATCHERS, help="How many dispatchers; not with --nodes.")
    ] = DISPATCHERS,
    short: Annotated[
        bool, typer.Option("--short", help="Every kind of fault once, in about eight minutes, for a pipeline.")
    ] = False,
    nodes: Annotated[
        bool, typer.Option("--nodes", help="Instead: three brokers and three databases, and faults of single nodes.")
    ] = False,
    folder: Annotated[
        Path, typer.Option(help="Of the run: data, logs, faults.json; begun anew each time.")
    ] = DEFAULT_FOLDER,
    json: Annotated[bool, typer.Option("--json", help="The whole report as JSON on stdout.")] = False,
    history: Annotated[bool, typer.Option("--history", help="Keep every change of the ledger, to search in.")] = False,
) -> None:
    """Break the system again and again while it works, then compare the simulator's account with the ledger.

    Dispatchers and two processes each of subscriptions and ingress send broadcasts, urgent ones and replies, and take
    Stops and statuses, while a seeded plan kills, freezes and restarts processes, RabbitMQ and PostgreSQL, cuts
    and slows connections, and lets Meta misbehave. Exit status 0 only if nothing was lost, doubled, sent after a Stop,
    late, unaccounted for, too fast or needlessly slow, and if nothing personal is left readable in any log, metric,
    message or table.
    """
    from tests.faults.actions import BenchOptions, play_all

    options = BenchOptions(
        seed=seed,
        minutes=minutes,
        deliveries=deliveries,
        rate=rate,
        dispatchers=dispatchers,
        short=short,
        nodes=nodes,
        folder=folder,
        history=history,
    )
    play_all(options, as_json=json)

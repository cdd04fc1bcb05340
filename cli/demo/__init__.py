"""`kreisfunk demo`: runs the main use case on its own stack and reconciles the simulator's account with our ledger."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_FOLDER = Path(".local/demo")


def demo(
    citizens: Annotated[int, typer.Option(min=20, max=90_000, help="How many citizens take part.")] = 1000,
    rate: Annotated[int, typer.Option(min=5, max=1000, help="The number's limit in messages per second.")] = 80,
    dispatchers: Annotated[int, typer.Option(min=1, max=8, help="Replicas of the dispatcher.")] = 2,
    kill: Annotated[
        bool, typer.Option("--kill", help="SIGKILL one dispatcher and the subscriptions service in the middle.")
    ] = False,
    folder: Annotated[Path, typer.Option(help="Where servers keep their data; begun anew each time.")] = DEFAULT_FOLDER,
) -> None:
    """Play the main job on a system of its own, and compare the simulator's account with our ledger.

    Citizens send "Start", a municipal system publishes two road closures, some citizens send "Stop" in
    between. The last line has the figures; the exit status is 0 only if every one of them is right.
    """
    from cli.demo.actions import play_demo

    play_demo(folder, citizens, rate, dispatchers, kill)

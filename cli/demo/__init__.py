"""`kreisfunk demo`: run the main use case on its own stack and reconcile the simulator's account with our ledger."""

import asyncio
import json
import os
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from cli.demo.figures import DemoRecords, StopRecord, compute_figures, find_problems
from cli.demo.ledger_reader import LedgerReader, open_ledger_reader
from cli.output import Exit, fail, note, print_step, say
from cli.progress import NoProgressError, wait_for
from deploy import LocalError
from deploy.local.environments import filter_inherited
from deploy.local.stack import Stack, run_stack
from simulator.client import AcceptedMessage, SimulatorClient, open_simulator_client

DEFAULT_FOLDER = Path(".local/demo")
TOPIC = "strassensperrungen"
FIRST = ("Vollsperrung L 149", "Die L 149 ist wegen Bauarbeiten gesperrt. Die Umleitung ist ausgeschildert.")
SECOND = ("Sperrung K 9 aufgehoben", "Die K 9 ist wieder in beiden Richtungen frei.")
BSUID_ONLY_SHARE = 0.05
STOP_SHARE = 0.05
OTHER_SHARE = 0.02
WRITE_PER_SECOND = 200.0
STALL_TIMEOUT_SECONDS = 60.0
KILLED_PROCESSES = ("dispatcher-1", "subscriptions-1")
SETTINGS = {"dispatcher": {"KREISFUNK_UNKNOWN_GRACE_SECONDS": "3", "KREISFUNK_REQUEST_TIMEOUT_SECONDS": "5"}}
_wait_for = partial(wait_for, patience=STALL_TIMEOUT_SECONDS)


class PublishError(Exception):
    """`kreisfunk publish` failed; the text is its stderr or its exit status."""


@dataclass(frozen=True)
class DemoContext:
    """Dependencies of the demo: simulator, ledger, and the publisher's environment."""

    simulator: SimulatorClient
    ledger: LedgerReader
    publisher: Mapping[str, str]


def demo(
    citizens: Annotated[int, typer.Option(min=20, max=90_000, help="Number of citizens.")] = 1000,
    rate: Annotated[int, typer.Option(min=5, max=1000, help="The number's limit in messages per second.")] = 80,
    dispatchers: Annotated[int, typer.Option(min=1, max=8, help="Replicas of the dispatcher.")] = 2,
    kill: Annotated[
        bool, typer.Option("--kill", help="SIGKILL one dispatcher and the subscriptions service in the middle.")
    ] = False,
    folder: Annotated[Path, typer.Option(help="Data of the servers; emptied at each start.")] = DEFAULT_FOLDER,
) -> None:
    """Run the main use case on a stack of its own, and reconcile the simulator's account with our ledger.

    Citizens send "Start", a municipal system publishes two road closures, some citizens send "Stop" in
    between. The last line has the figures; the exit status is 0 only if all of them are right.
    """
    try:
        records, seconds = asyncio.run(_run(folder, citizens, rate, dispatchers, kill=kill))
    except LocalError as error:
        fail(str(error))
    except (NoProgressError, PublishError) as error:
        note(str(error), "bold red")
        say(f"demo: FAILED {error}")
        raise typer.Exit(Exit.FAILED) from None
    result = compute_figures(records)
    problems = find_problems(result, records)
    for problem in problems:
        note(problem, "bold red")
    figures = " ".join(f"{name}={value}" for name, value in result.items())
    say(f"demo: {'FAILED' if problems else 'ok'} {figures} seconds={seconds:.1f}")
    raise typer.Exit(Exit.FAILED if problems else 0)


async def _run(folder: Path, citizens: int, rate: int, dispatchers: int, *, kill: bool) -> tuple[DemoRecords, float]:
    """Return the records and the duration in seconds."""
    start = partial(run_stack, folder, dispatchers=dispatchers, messages_per_second=rate)
    async with (
        start(fresh=True, settings=SETTINGS, progress=print_step) as stack,
        open_simulator_client(stack.simulator_url, stack.control_token) as simulator,
        open_ledger_reader(stack.monitor_database_url) as ledger,
    ):
        started = time.monotonic()
        publisher = {**filter_inherited(os.environ), **stack.publisher}
        stage = DemoContext(simulator=simulator, ledger=ledger, publisher=publisher)
        return await _play(stack, stage, citizens, rate, kill=kill), time.monotonic() - started


async def _play(stack: Stack, stage: DemoContext, citizens: int, rate: int, *, kill: bool) -> DemoRecords:
    everybody = await _subscribe(stage, citizens)
    # Different citizens, so that none gets so many messages at once that Meta's pair rate limit delays them.
    question_count, stop_count = max(1, int(citizens * OTHER_SHARE)), max(1, int(citizens * STOP_SHARE))
    await _ask_questions(stage, everybody[:question_count])
    first = await _publish(stage, *FIRST)
    stopping = everybody[question_count : question_count + stop_count]
    print_step(f'the first notice goes to all {citizens}; in the middle {len(stopping)} send "Stop"')
    await _wait_for("first notice, a third", citizens // 3, partial(stage.ledger.count_rows, first))
    recovery = asyncio.create_task(_kill_processes(stack)) if kill else None
    handled_after_stops = await stage.ledger.count_handled() + len(stopping)
    await stage.simulator.send_text(stopping, "Stop", per_second=WRITE_PER_SECOND)
    await _wait_for_broadcast(stage, "first notice", first)
    # Killed processes read them late; only then is the second audience known.
    await _wait_for("Stops read", handled_after_stops, stage.ledger.count_handled)
    print_step("the second notice goes to those who stayed")
    second = await _publish(stage, *SECOND)
    await _wait_for_broadcast(stage, "second notice", second)
    await _wait_until_settled(stage)
    recovered_at = await recovery if recovery else 0.0
    return await _collect_records(stage, citizens, rate, [first, second], recovered_at)


async def _subscribe(stage: DemoContext, citizens: int) -> list[int]:
    print_step(f'{citizens} citizens send "Start"')
    everybody = await stage.simulator.add_citizens(citizens, bsuid_only=int(citizens * BSUID_ONLY_SHARE))
    await stage.simulator.send_text(everybody, "Start", per_second=WRITE_PER_SECOND)
    await _wait_for("subscribed", citizens, stage.ledger.count_subscribed)
    await _wait_for("welcomed", citizens, stage.simulator.count_accepted)
    return everybody


async def _ask_questions(stage: DemoContext, citizens: Sequence[int]) -> None:
    print_step(f"{len(citizens)} of them ask something, twice: one polite answer each")
    for text in ("Wann ist das Bürgerbüro offen?", "Hallo?"):
        before = await stage.ledger.count_handled()
        await stage.simulator.send_text(citizens, text, per_second=WRITE_PER_SECOND)
        await _wait_for("read", before + len(citizens), stage.ledger.count_handled)


async def _wait_for_broadcast(stage: DemoContext, label: str, broadcast: UUID) -> None:
    """Wait until its audience is known and sent to; with a full lane, expansion takes as long as sending."""

    async def is_known() -> int:
        return await stage.ledger.read_audience(broadcast) is not None

    await _wait_for("audience read", 1, is_known, patience=10 * STALL_TIMEOUT_SECONDS)
    audience = await stage.ledger.read_audience(broadcast) or 0
    await _wait_for(label, audience, partial(stage.ledger.count_rows, broadcast))


async def _wait_until_settled(stage: DemoContext) -> None:
    """Wait until every delivery has its final status and the simulator has no pending webhooks."""

    async def quiet() -> int:
        account = await stage.simulator.fetch_account()
        return 0 if account["webhooks"]["pending"] or await stage.ledger.count_unsettled() else 1

    await _wait_for("last statuses", 1, quiet, patience=2 * STALL_TIMEOUT_SECONDS)


async def _publish(stage: DemoContext, headline: str, text: str) -> UUID:
    """Publish as a municipal system does and return the broadcast's id. Raises PublishError."""
    notice = ("--topic", TOPIC, "--headline", headline, "--text", text, "--json")
    command = (sys.executable, "-m", "cli.main", "publish", *notice)
    process = await asyncio.create_subprocess_exec(*command, env=dict(stage.publisher), stdout=PIPE, stderr=PIPE)
    output, problems = await process.communicate()
    if process.returncode:
        raise PublishError(problems.decode(errors="replace").strip() or f"exit status {process.returncode}")
    return UUID(json.loads(output)["broadcast"])


async def _collect_records(
    stage: DemoContext, citizens: int, limit: int, broadcasts: Sequence[UUID], recovered_at: float
) -> DemoRecords:
    outbound = await stage.simulator.fetch_outbound()
    account = await stage.simulator.fetch_account()
    return DemoRecords(
        citizens=citizens,
        written=account["inbound"],
        handled=await stage.ledger.count_handled(),
        subscribed=await stage.ledger.count_subscribed(),
        replies_due=await stage.ledger.count_replies_due(),
        audiences={str(broadcast): await stage.ledger.read_audience(broadcast) or 0 for broadcast in broadcasts},
        ledger=await stage.ledger.read_ledger(),
        outbound=outbound,
        stopped=await _find_stops(stage, outbound),
        peak_1s=account["peak_1s"],
        limit=limit,
        recovered_at=recovered_at,
    )


async def _find_stops(stage: DemoContext, outbound: Sequence[AcceptedMessage]) -> list[StopRecord]:
    """Return each "Stop" with the time of the webhook's answer and of the confirmation."""
    replies = [message for message in outbound if not message.template]
    stops = []
    for message in await stage.simulator.fetch_inbound():
        if message["text"] == "Stop":
            later = (reply for reply in replies if reply.accepted_at >= message["written_at"])
            confirmed = (reply.accepted_at for reply in later if reply.citizen == message["citizen"])
            stops.append(StopRecord(message["citizen"], message["answered_at"], next(confirmed, None)))
    return stops


async def _kill_processes(stack: Stack) -> float:
    """Kill processes, and return when they are ready again, in seconds since 1970."""
    for name in KILLED_PROCESSES:
        print_step(f"killing {name}; the supervisor starts it again")
        stack.supervisor.kill(name)
    for name in KILLED_PROCESSES:
        await stack.supervisor.wait_until_ready(name)
    return time.time()

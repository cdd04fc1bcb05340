"""The main use case: citizens subscribe, two notices are published, some citizens unsubscribe in between."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import typer

from cli.demo.figures import DemoRecords, StopRecord, compute_figures, find_problems
from cli.demo.ledger_reader import LedgerReader, open_ledger_reader
from cli.output import EXIT_FAILED, fail, note, print_step, say
from cli.progress import NoProgressError, wait_for
from deploy.local import LocalError
from deploy.local.environments import filter_inherited
from deploy.local.stack import Stack, run_stack
from simulator.client import AcceptedMessage, SimulatorClient, open_simulator_client

TOPIC = "strassensperrungen"
FIRST = ("Vollsperrung L 149", "Die L 149 ist wegen Bauarbeiten gesperrt. Die Umleitung ist ausgeschildert.")
SECOND = ("Sperrung K 9 aufgehoben", "Die K 9 ist wieder in beiden Richtungen frei.")
BSUID_ONLY_SHARE = 0.05
STOP_SHARE = 0.05
OTHER_SHARE = 0.02
WRITE_PER_SECOND = 200.0
STALL_TIMEOUT_SECONDS = 60.0

Kill = Callable[[], Coroutine[Any, Any, float]]
KILLED_PROCESSES = ("dispatcher-1", "subscriptions-1")
GRACE_SECONDS = "3"
TIMEOUT_SECONDS = "5"


class PublishError(Exception):
    """`kreisfunk publish` failed; the text is its stderr or its exit status."""


@dataclass(frozen=True)
class DemoContext:
    """Dependencies of the demo: simulator, ledger, the publisher's environment, and a function that kills processes.

    `kill` returns once the killed processes are ready again: the time of that, in seconds since 1970.
    """

    simulator: SimulatorClient
    ledger: LedgerReader
    publisher: Mapping[str, str]
    limit: int
    kill: Kill | None
    say: Callable[[str], None]


async def play(stage: DemoContext, citizens: int) -> DemoRecords:
    """Run the demo to its end and return the records of both sides."""
    everybody = await _subscribe(stage, citizens)
    # Different citizens, so that none gets so many messages at once that Meta's pair rate limit delays them.
    asking, others = max(1, int(citizens * OTHER_SHARE)), max(1, int(citizens * STOP_SHARE))
    await _ask_questions(stage, everybody[:asking])
    first = await publish(stage, *FIRST)
    leaving = everybody[asking : asking + others]
    stage.say(f'the first notice goes to all {citizens}; in the middle {len(leaving)} send "Stop"')
    await wait_for(
        "first notice, a third", citizens // 3, partial(stage.ledger.count_rows, first), patience=STALL_TIMEOUT_SECONDS
    )
    recovery = asyncio.create_task(stage.kill()) if stage.kill else None
    heard = await stage.ledger.count_handled() + len(leaving)
    await stage.simulator.send_text(leaving, "Stop", per_second=WRITE_PER_SECOND)
    await _wait_for_broadcast(stage, "first notice", first)
    # Killed processes read them late; only then is the second audience known.
    await wait_for("Stops read", heard, stage.ledger.count_handled, patience=STALL_TIMEOUT_SECONDS)
    stage.say("the second notice goes to those who stayed")
    second = await publish(stage, *SECOND)
    await _wait_for_broadcast(stage, "second notice", second)
    await _wait_until_settled(stage)
    recovered_at = await recovery if recovery else 0.0
    return await _collect_records(stage, citizens, [first, second], recovered_at)


async def _subscribe(stage: DemoContext, citizens: int) -> list[int]:
    stage.say(f'{citizens} citizens send "Start"')
    everybody = await stage.simulator.add_citizens(citizens, bsuid_only=int(citizens * BSUID_ONLY_SHARE))
    await stage.simulator.send_text(everybody, "Start", per_second=WRITE_PER_SECOND)
    await wait_for("subscribed", citizens, stage.ledger.count_subscribed, patience=STALL_TIMEOUT_SECONDS)
    await wait_for("welcomed", citizens, stage.simulator.count_accepted, patience=STALL_TIMEOUT_SECONDS)
    return everybody


async def _ask_questions(stage: DemoContext, some: Sequence[int]) -> None:
    stage.say(f"{len(some)} of them ask something, twice: one polite answer each")
    for text in ("Wann ist das Bürgerbüro offen?", "Hallo?"):
        before = await stage.ledger.count_handled()
        await stage.simulator.send_text(some, text, per_second=WRITE_PER_SECOND)
        await wait_for("read", before + len(some), stage.ledger.count_handled, patience=STALL_TIMEOUT_SECONDS)


async def _wait_for_broadcast(stage: DemoContext, what: str, broadcast: UUID) -> None:
    """Wait until its audience is known and sent to; with a full lane, expansion takes as long as sending."""

    async def known() -> int:
        return 0 if await stage.ledger.read_audience(broadcast) is None else 1

    await wait_for("audience read", 1, known, patience=10 * STALL_TIMEOUT_SECONDS)
    audience = await stage.ledger.read_audience(broadcast) or 0
    await wait_for(what, audience, partial(stage.ledger.count_rows, broadcast), patience=STALL_TIMEOUT_SECONDS)


async def _wait_until_settled(stage: DemoContext) -> None:
    """Wait until every delivery has its final status and the simulator has no pending webhooks."""

    async def quiet() -> int:
        account = await stage.simulator.fetch_account()
        return 0 if account["webhooks"]["pending"] or await stage.ledger.count_unsettled() else 1

    await wait_for("last statuses", 1, quiet, patience=2 * STALL_TIMEOUT_SECONDS)


async def publish(stage: DemoContext, headline: str, text: str) -> UUID:
    """Publish as a municipal system does and return the broadcast's id. Raises PublishError."""
    arguments = ("--topic", TOPIC, "--headline", headline, "--text", text, "--json")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.main", "publish", *arguments),
        env=dict(stage.publisher),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, problems = await process.communicate()
    if process.returncode:
        raise PublishError(problems.decode(errors="replace").strip() or f"exit status {process.returncode}")
    return UUID(json.loads(output)["broadcast"])


async def _collect_records(
    stage: DemoContext, citizens: int, broadcasts: Sequence[UUID], recovered_at: float
) -> DemoRecords:
    outbound = await stage.simulator.fetch_outbound()
    account = await stage.simulator.fetch_account()
    return DemoRecords(
        citizens=citizens,
        written=account["inbound"],
        handled=await stage.ledger.count_handled(),
        subscribed=await stage.ledger.count_subscribed(),
        replies_due=await stage.ledger.count_replies_due(),
        audiences={str(one): await stage.ledger.read_audience(one) or 0 for one in broadcasts},
        ledger=await stage.ledger.read_ledger(),
        outbound=outbound,
        stopped=await _find_stops(stage, outbound),
        peak_1s=account["peak_1s"],
        limit=stage.limit,
        recovered_at=recovered_at,
    )


async def _find_stops(stage: DemoContext, outbound: Sequence[AcceptedMessage]) -> list[StopRecord]:
    """Return each "Stop" with the time of the webhook's answer and of the confirmation."""
    replies = [message for message in outbound if not message.template]
    return [
        StopRecord(
            citizen=written["citizen"],
            answered_at=written["answered_at"],
            confirmed_at=_find_first_reply(replies, written["citizen"], written["written_at"]),
        )
        for written in await stage.simulator.fetch_inbound()
        if written["text"] == "Stop"
    ]


def _find_first_reply(replies: Sequence[AcceptedMessage], citizen: int, after: float) -> float | None:
    return next((one.accepted_at for one in replies if one.citizen == citizen and one.accepted_at >= after), None)


def play_demo(folder: Path, citizens: int, rate: int, dispatchers: int, kill: bool) -> None:
    """Run the demo, print its result, and end the command with its status."""
    try:
        books, seconds = asyncio.run(_run_demo(folder, citizens, rate, dispatchers, kill))
    except LocalError as error:
        fail(str(error))
    except (NoProgressError, PublishError) as error:
        note(str(error), "bold red")
        say(f"demo: FAILED {error}")
        raise typer.Exit(EXIT_FAILED) from None
    result = compute_figures(books)
    wrong = find_problems(result, books)
    for problem in wrong:
        note(problem, "bold red")
    figures = " ".join(f"{name}={value}" for name, value in result.items())
    say(f"demo: {'FAILED' if wrong else 'ok'} {figures} seconds={seconds:.1f}")
    raise typer.Exit(EXIT_FAILED if wrong else 0)


async def _run_demo(folder: Path, citizens: int, rate: int, dispatchers: int, kill: bool) -> tuple[DemoRecords, float]:
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
        return await _play(stack, citizens, rate, kill), time.monotonic() - started


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

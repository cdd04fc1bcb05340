"""The main use case: citizens subscribe, two notices are published, some citizens unsubscribe in between."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cli.demo.figures import DemoRecords, StopRecord
from cli.demo.ledger_reader import LedgerReader
from cli.progress import wait_for
from simulator.client import AcceptedMessage, SimulatorClient

TOPIC = "strassensperrungen"
FIRST = ("Vollsperrung L 149", "Die L 149 ist wegen Bauarbeiten gesperrt. Die Umleitung ist ausgeschildert.")
SECOND = ("Sperrung K 9 aufgehoben", "Die K 9 ist wieder in beiden Richtungen frei.")
BSUID_ONLY_SHARE = 0.05
STOP_SHARE = 0.05
OTHER_SHARE = 0.02
WRITE_PER_SECOND = 200.0
STALL_TIMEOUT_SECONDS = 60.0

Kill = Callable[[], Coroutine[Any, Any, float]]


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
        "first notice, a third", citizens // 3, _build_row_counter(stage, first), patience=STALL_TIMEOUT_SECONDS
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
    await wait_for("welcomed", citizens, _build_accepted_counter(stage), patience=STALL_TIMEOUT_SECONDS)
    return everybody


async def _ask_questions(stage: DemoContext, some: Sequence[int]) -> None:
    stage.say(f"{len(some)} of them ask something, twice: one polite answer each")
    for text in ("Wann ist das Bürgerbüro offen?", "Hallo?"):
        before = await stage.ledger.count_handled()
        await stage.simulator.send_text(some, text, per_second=WRITE_PER_SECOND)
        await wait_for("read", before + len(some), stage.ledger.count_handled, patience=STALL_TIMEOUT_SECONDS)


async def _wait_for_audience(stage: DemoContext, broadcast: UUID) -> int:
    """Return the audience once expansion has finished; with a full lane, expansion takes as long as sending."""

    async def known() -> int:
        return 0 if await stage.ledger.read_audience(broadcast) is None else 1

    await wait_for("audience read", 1, known, patience=10 * STALL_TIMEOUT_SECONDS)
    return await stage.ledger.read_audience(broadcast) or 0


async def _wait_for_broadcast(stage: DemoContext, what: str, broadcast: UUID) -> None:
    audience = await _wait_for_audience(stage, broadcast)
    await wait_for(what, audience, _build_row_counter(stage, broadcast), patience=STALL_TIMEOUT_SECONDS)


async def _wait_until_settled(stage: DemoContext) -> None:
    """Wait until every delivery has its final status and the simulator has no pending webhooks."""

    async def quiet() -> int:
        account = await stage.simulator.fetch_account()
        return 0 if account["webhooks"]["pending"] or await stage.ledger.count_unsettled() else 1

    await wait_for("last statuses", 1, quiet, patience=2 * STALL_TIMEOUT_SECONDS)


def _build_accepted_counter(stage: DemoContext) -> Callable[[], Awaitable[int]]:
    async def count() -> int:
        accepted: int = (await stage.simulator.fetch_account())["accepted"]
        return accepted

    return count


def _build_row_counter(stage: DemoContext, broadcast: UUID) -> Callable[[], Awaitable[int]]:
    return lambda: stage.ledger.count_rows(broadcast)


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

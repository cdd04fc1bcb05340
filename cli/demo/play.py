"""The main job: citizens subscribe, two notices go out, some citizens leave in between."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cli.demo.books import OurBooks
from cli.demo.figures import Books, Outbound, Stopped
from cli.demo.progress import wait_for
from cli.demo.simulator import Simulator

TOPIC = "strassensperrungen"
FIRST = ("Vollsperrung L 149", "Die L 149 ist wegen Bauarbeiten gesperrt. Die Umleitung ist ausgeschildert.")
SECOND = ("Sperrung K 9 aufgehoben", "Die K 9 ist wieder in beiden Richtungen frei.")
BSUID_ONLY_SHARE = 0.05
STOP_SHARE = 0.05
OTHER_SHARE = 0.02
WRITE_PER_SECOND = 200.0
PATIENCE_SECONDS = 60.0

Kill = Callable[[], Coroutine[Any, Any, float]]


class PublishError(Exception):
    """`kreisfunk publish` did not end as it should; the text is what it said."""


@dataclass(frozen=True)
class Stage:
    """What the play needs: both sides, the environment of the municipal system, and a hand that kills.

    `kill` ends when what it killed is ready again, and says when that was, in seconds since 1970.
    """

    simulator: Simulator
    books: OurBooks
    publisher: Mapping[str, str]
    limit: int
    kill: Kill | None
    say: Callable[[str], None]


async def play(stage: Stage, citizens: int) -> Books:
    """Play it to the end and return both sides' books."""
    everybody = await _subscribe(stage, citizens)
    # Different people, so that nobody gets so many messages at once that Meta's limit for a pair makes them wait.
    asking, others = max(1, int(citizens * OTHER_SHARE)), max(1, int(citizens * STOP_SHARE))
    await _write_something_else(stage, everybody[:asking])
    first = await publish(stage, *FIRST)
    leaving = everybody[asking : asking + others]
    stage.say(f'the first notice goes to all {citizens}; in the middle {len(leaving)} send "Stop"')
    await wait_for("first notice, a third", citizens // 3, _rows(stage, first), patience=PATIENCE_SECONDS)
    recovery = asyncio.create_task(stage.kill()) if stage.kill else None
    heard = await stage.books.handled() + len(leaving)
    await stage.simulator.write(leaving, "Stop", per_second=WRITE_PER_SECOND)
    await _broadcast_done(stage, "first notice", first)
    # Whoever was killed reads them late; until then nobody can say who stayed.
    await wait_for("Stops read", heard, stage.books.handled, patience=PATIENCE_SECONDS)
    stage.say("the second notice goes to those who stayed")
    second = await publish(stage, *SECOND)
    await _broadcast_done(stage, "second notice", second)
    await _settled(stage)
    recovered_at = await recovery if recovery else 0.0
    return await _books(stage, citizens, [first, second], recovered_at)


async def _subscribe(stage: Stage, citizens: int) -> list[int]:
    stage.say(f'{citizens} citizens send "Start"')
    everybody = await stage.simulator.add_citizens(citizens, bsuid_only=int(citizens * BSUID_ONLY_SHARE))
    await stage.simulator.write(everybody, "Start", per_second=WRITE_PER_SECOND)
    await wait_for("subscribed", citizens, stage.books.subscribed, patience=PATIENCE_SECONDS)
    await wait_for("welcomed", citizens, _accepted(stage), patience=PATIENCE_SECONDS)
    return everybody


async def _write_something_else(stage: Stage, some: Sequence[int]) -> None:
    stage.say(f"{len(some)} of them ask something, twice: one polite answer each")
    for text in ("Wann ist das Bürgerbüro offen?", "Hallo?"):
        before = await stage.books.handled()
        await stage.simulator.write(some, text, per_second=WRITE_PER_SECOND)
        await wait_for("read", before + len(some), stage.books.handled, patience=PATIENCE_SECONDS)


async def _audience(stage: Stage, broadcast: UUID) -> int:
    """The audience, when it has been read to the end. A lane that is full lets it take as long as sending does."""

    async def known() -> int:
        return 0 if await stage.books.audience(broadcast) is None else 1

    await wait_for("audience read", 1, known, patience=10 * PATIENCE_SECONDS)
    return await stage.books.audience(broadcast) or 0


async def _broadcast_done(stage: Stage, what: str, broadcast: UUID) -> None:
    audience = await _audience(stage, broadcast)
    await wait_for(what, audience, _rows(stage, broadcast), patience=PATIENCE_SECONDS)


async def _settled(stage: Stage) -> None:
    """Until every delivery has its last news and the simulator has nothing more to tell."""

    async def quiet() -> int:
        account = await stage.simulator.account()
        return 0 if account["webhooks"]["pending"] or await stage.books.unsettled() else 1

    await wait_for("last statuses", 1, quiet, patience=2 * PATIENCE_SECONDS)


def _accepted(stage: Stage) -> Callable[[], Awaitable[int]]:
    async def count() -> int:
        accepted: int = (await stage.simulator.account())["accepted"]
        return accepted

    return count


def _rows(stage: Stage, broadcast: UUID) -> Callable[[], Awaitable[int]]:
    return lambda: stage.books.rows(broadcast)


async def publish(stage: Stage, headline: str, text: str) -> UUID:
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


async def _books(stage: Stage, citizens: int, broadcasts: Sequence[UUID], recovered_at: float) -> Books:
    outbound = await stage.simulator.outbound()
    account = await stage.simulator.account()
    return Books(
        citizens=citizens,
        written=account["inbound"],
        handled=await stage.books.handled(),
        subscribed=await stage.books.subscribed(),
        replies_due=await stage.books.replies_due(),
        audiences={str(one): await stage.books.audience(one) or 0 for one in broadcasts},
        ledger=await stage.books.ledger(),
        outbound=outbound,
        stopped=await _stopped(stage, outbound),
        peak_1s=account["peak_1s"],
        limit=stage.limit,
        recovered_at=recovered_at,
    )


async def _stopped(stage: Stage, outbound: Sequence[Outbound]) -> list[Stopped]:
    """Who sent "Stop", when that was answered, and when the confirmation left."""
    replies = [message for message in outbound if not message.template]
    return [
        Stopped(
            citizen=written["citizen"],
            answered_at=written["answered_at"],
            confirmed_at=_first(replies, written["citizen"], written["written_at"]),
        )
        for written in await stage.simulator.inbound()
        if written["text"] == "Stop"
    ]


def _first(replies: Sequence[Outbound], citizen: int, after: float) -> float | None:
    return next((one.accepted_at for one in replies if one.citizen == citizen and one.accepted_at >= after), None)

"""The course of a run: citizens, faults with traffic, quiet, and what both sides wrote down."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cli.demo.progress import NothingMovesError, wait_for, wait_until_gone
from cli.demo.simulator import Simulator, open_simulator
from cli.faults.backlog import BacklogWatch, waiting_spans
from cli.faults.books import Looks
from cli.faults.catalogue import DISPATCHERS, INGRESSES, KEPT_BACK, SUBSCRIPTIONS, Action
from cli.faults.evidence import Evidence, farewells, read_books, read_theirs
from cli.faults.hands import Hands
from cli.faults.history import keep_history, write_history
from cli.faults.leaks.search import index_key, search, secrets_of
from cli.faults.leaks.sweep import Leak
from cli.faults.leaks.watching import watching
from cli.faults.operator import Operator
from cli.faults.plan import Fault
from cli.faults.publisher import Publisher
from cli.faults.stops import gone_for_good
from cli.faults.traffic import Traffic
from cli.operate.settings import operator_settings
from cli.publish.sending import Sender
from cli.publish.settings import publisher_settings
from cli.stacks import RunningStack
from deploy.local.stack import Stack, local_stack
from simulator.stalls import StallWatch

# Longer than webhooks are late when nobody stands still.
GRACE_SECONDS = 20.0
TIMEOUT_SECONDS = 5.0
# So many of the citizens may be written to until Meta raises its tier, in a plan in which that is used up.
TIER_SHARE = 0.5
# Longer than any delay of statuses that a webhook's pauses cause, and than the rules for asking again.
PATIENCE_SECONDS = 100.0

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Run:
    """What is asked for. `history` writes down every change of the ledger, which costs the database some time."""

    folder: Path
    seed: int
    plan: Sequence[Fault]
    deliveries: int
    citizens: int
    rate: int
    history: bool
    say: Say

    @property
    def people_a_day(self) -> int:
        """Meta's tier while it is used up."""
        return max(1, int(self.citizens * TIER_SHARE))

    @property
    def grace_seconds(self) -> float:
        """How long an unknown outcome waits: whoever is frozen may have statuses in hand (decision 0008)."""
        frozen = (fault.seconds for fault in self.plan if fault.recipe.action is Action.FREEZE)
        return GRACE_SECONDS + max(frozen, default=0.0)

    @property
    def patience_seconds(self) -> float:
        return PATIENCE_SECONDS + self.grace_seconds

    @property
    def uses_up_tier(self) -> bool:
        return any(fault.recipe.action is Action.TIER for fault in self.plan)


async def play(run: Run) -> tuple[Evidence, list[str]]:
    """The evidence, and what did not come to rest. Raises LocalError, NothingMovesError."""
    tier = {"KREISFUNK_PEOPLE_PER_DAY": str(run.people_a_day)} if run.uses_up_tier else {}
    settings = {
        "dispatcher": {
            **tier,
            "KREISFUNK_UNKNOWN_GRACE_SECONDS": str(run.grace_seconds),
            "KREISFUNK_REQUEST_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS),
        },
        # It would refuse what is too fast, and nobody could see how fast that was.
        "simulator": {"SIMULATOR_MESSAGES_PER_SECOND": str(run.rate * 10)},
    }
    async with local_stack(
        run.folder,
        dispatchers=DISPATCHERS,
        subscriptions=SUBSCRIPTIONS,
        ingresses=INGRESSES,
        messages_per_second=run.rate,
        fresh=True,
        settings=settings,
        proxied=True,
        progress=run.say,
    ) as stack:
        if run.history:
            await keep_history(stack.database_url)
        async with open_simulator(stack.simulator_url, stack.control_token) as simulator:
            return await _Course(run, stack, simulator).play()


class _Course:
    def __init__(self, run: Run, stack: Stack, simulator: Simulator) -> None:
        self._run = run
        self._stack = stack
        self._simulator = simulator
        self._looks = Looks(stack.monitor_database_url)
        running = RunningStack(stack.folder, stack)
        settings = publisher_settings(running, os.environ)
        publisher = Publisher(Sender(settings=settings, source=settings.source_or_usual), run.say)
        self._operator = Operator(operator_settings(running, os.environ), simulator, run.say)
        self._traffic = Traffic(simulator, publisher, self._operator, self._looks, run.seed, run.say)
        self._hands = Hands(stack, simulator, run.seed, run.people_a_day, run.say)
        self._watch = StallWatch(time.time)
        self._backlog = BacklogWatch(stack.broker_url, self._looks, run.rate)
        self._restless: list[str] = []

    async def play(self) -> tuple[Evidence, list[str]]:
        looking = [asyncio.create_task(look()) for look in (self._watch.run, self._backlog.run)]
        try:
            return await self._play()
        finally:
            for task in looking:
                task.cancel()

    async def _play(self) -> tuple[Evidence, list[str]]:
        stack = self._stack
        async with watching(stack.folder, broker_url=stack.broker_url, metrics_urls=stack.metrics_urls):
            await self._traffic.gather(self._run.citizens)
            await self._disturb()
            await self._settle()
        evidence = await self._evidence()
        if self._run.history:
            await write_history(self._stack.database_url, self._run.folder, evidence)
        return evidence, self._restless

    async def _disturb(self) -> None:
        """Traffic for as long as the plan goes on, and until there were enough deliveries."""
        before = await self._traffic.accepted()
        traffic = asyncio.create_task(self._traffic.run(per_second=self._run.rate / 50))
        following = asyncio.create_task(self._hands.follow(self._run.plan))
        enough = self._run.deliveries + before

        async def repaired() -> int:
            _raise_if_failed(traffic, following)
            return len(self._hands.done)

        async def missing() -> int:
            return max(0, enough - await self._traffic.accepted())

        await wait_for("faults repaired", len(self._run.plan), repaired, patience=self._run.patience_seconds)
        await following
        await self._rest("messages accepted", missing)
        traffic.cancel()
        with suppress(asyncio.CancelledError):
            await traffic

    async def _settle(self) -> None:
        self._run.say("no more faults; waiting until everything has come to rest")
        await self._rest("webhooks taken", self._webhooks)
        await self._rest("messages of citizens decided upon", self._unheard)
        await self._rest("new numbers taken over", self._unmoved)
        await self._rest("deliveries sent", self._looks.work)
        await self._rest("broadcasts read to the end", self._looks.unread)
        await self._operator.send_again(KEPT_BACK)
        # Statuses of later messages are what proves that the unknown ones were never accepted.
        await self._traffic.publisher.publish_last()
        await self._rest("last notice read to the end", self._looks.unread)
        await self._rest("last notice sent", self._looks.work)
        await self._rest("unknown outcomes settled", self._looks.unknown)
        await self._rest("deliveries sent again", self._looks.work)
        await self._rest("last statuses taken", self._webhooks)
        await self._rest("last statuses applied", self._moving)
        await self._rest("erasures finished", self._looks.erasing)

    async def _rest(self, what: str, left: Callable[[], Awaitable[int | None]]) -> None:
        """Until nothing is left. What does not come to rest is judged as it is."""
        try:
            await wait_until_gone(what, left, patience=self._run.patience_seconds)
        except NothingMovesError as error:
            self._restless.append(str(error))
            self._run.say(f"did not come to rest: {error}")

    async def _webhooks(self) -> int:
        pending: int = (await self._simulator.account())["webhooks"]["pending"]
        return pending

    async def _unheard(self) -> int | None:
        handled = await self._looks.handled()
        written: int = (await self._simulator.account())["inbound"]
        return None if handled is None else written - handled

    async def _unmoved(self) -> int | None:
        moved = await self._looks.moved()
        return None if moved is None else self._traffic.talk.moved - moved

    async def _moving(self) -> int | None:
        """What an operator settled as accepted may be something of which no status ever tells."""
        return await self._looks.moving(self._operator.settled)

    async def _evidence(self) -> Evidence:
        outbound, written = await read_theirs(self._simulator)
        crowd = self._traffic.crowd
        leaks, searched = await self._leaks(gone_for_good(written))
        return Evidence(
            outbound=outbound,
            written=written,
            ours=await read_books(self._stack.monitor_database_url),
            published=tuple(self._traffic.publisher.published),
            loyal=crowd.loyal.union(crowd.moving),
            movers=crowd.movers.difference(crowd.moving),
            farewells=farewells(),
            orders=tuple(self._operator.orders),
            sent_again=self._operator.sent_again,
            settled=len(self._operator.settled),
            faults=tuple(self._hands.done),
            stalls=(*self._watch.stalls, *await self._simulator.stalls()),
            limit=self._run.rate,
            request_seconds=TIMEOUT_SECONDS,
            attempts=await self._simulator.attempts(),
            waiting=waiting_spans(self._backlog.samples),
            strays_ready=self._hands.strays_ready,
            leaks=leaks,
            searched=searched,
        )

    async def _leaks(self, erased: Collection[int]) -> tuple[list[Leak], dict[str, int]]:
        key = index_key(self._stack.folder)
        secrets = await secrets_of(self._simulator, self._traffic.talk.texts, erased, key)
        return await search(self._stack, secrets, self._run.say)


def _raise_if_failed(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        if task.done():
            task.result()

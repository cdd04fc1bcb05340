"""A run: subscribe citizens, inject faults under traffic, wait until all is settled, collect both sides' records."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cli.progress import NoProgressError, ProgressCount, wait_for, watch_count
from cli.settings import OperatorSettings
from cli.stacks import read_settings_from
from deploy.local.stack import SIMULATOR, Stack, run_stack, start_servers
from services.dispatcher.adapters.ledger_results import MAX_RESENDS
from shared.amqp.connection import BrokerUnavailable, connect
from shared.amqp.inspection import count_by_queue
from shared.amqp.topology import NEWSROOM_EVENTS
from simulator.client import SimulatorClient, open_simulator_client
from simulator.clock import StallWatch
from tests.amqp_system import build_amqp_system
from tests.faults.backlog import BacklogRecorder, merge_waiting_spans
from tests.faults.evidence import CitizenMessage, Evidence, read_confirmations
from tests.faults.fault_types import HELD_BACK_CODE, INGRESSES, NEWSROOMS, SUBSCRIPTIONS, FaultAction
from tests.faults.injector import FaultInjector
from tests.faults.leaks.recorder import record_traffic
from tests.faults.leaks.search import collect_pii_values, read_index_key, search
from tests.faults.ledger_history import record_history, write_history
from tests.faults.ledger_snapshot import (
    ERASING,
    HANDLED,
    MOVED,
    PENDING,
    UNCONFIRMED,
    UNKNOWN,
    UNREAD,
    LedgerProbes,
    read_snapshot,
)
from tests.faults.node_faults import MAX_NODE_FAULT_SECONDS, REST_SECONDS
from tests.faults.notice_traffic import NoticeGenerator
from tests.faults.operator_actions import FaultOperator
from tests.faults.plan import Fault
from tests.faults.proxies import Proxies
from tests.faults.stop_checks import find_erased
from tests.faults.traffic import FaultTraffic
from tests.replicas.servers import start_replicated_servers

# Longer than webhooks are ever late without a stall.
GRACE_SECONDS = 20.0
TIMEOUT_SECONDS = 5.0
# Share of the citizens who may be written to before Meta raises its tier, if the plan uses it up.
TIER_SHARE = 0.5
# Longer than any delay of statuses caused by retried webhooks, and than any retry delay of ours.
STALL_TIMEOUT_SECONDS = 100.0
MEASURING_NICENESS = -10

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class FaultRun:
    """Parameters of a run; `history` records every change of the ledger, which costs the database some time.

    With `nodes` broker and database are replicated, and the faults of the plan follow one another.
    """

    folder: Path
    seed: int
    plan: Sequence[Fault]
    deliveries: int
    citizens: int
    rate: int
    dispatchers: int
    history: bool
    say: Say
    nodes: bool = False

    @property
    def people_a_day(self) -> int:
        """Meta's tier while it is used up."""
        return max(1, int(self.citizens * TIER_SHARE))

    @property
    def grace_seconds(self) -> float:
        """Grace time of unknown outcomes: a frozen process may hold unapplied statuses (decision 0008)."""
        frozen = (fault.seconds for fault in self.plan if fault.recipe.action is FaultAction.FREEZE)
        return GRACE_SECONDS + max(frozen, default=0.0)

    @property
    def stall_timeout_seconds(self) -> float:
        return STALL_TIMEOUT_SECONDS + self.grace_seconds

    @property
    def repair_timeout_seconds(self) -> float:
        """Longest time between the ends of two faults."""
        return self.stall_timeout_seconds + (MAX_NODE_FAULT_SECONDS if self.nodes else 0.0)

    @property
    def uses_up_tier(self) -> bool:
        return any(fault.recipe.action is FaultAction.TIER for fault in self.plan)


async def execute_run(run: FaultRun) -> tuple[Evidence, list[str]]:
    """Run everything; return the evidence, and a list of what did not settle. Raises LocalError, NoProgressError."""
    tier = {"KREISFUNK_PEOPLE_PER_DAY": str(run.people_a_day)} if run.uses_up_tier else {}
    settings = {
        "dispatcher": {
            **tier,
            "KREISFUNK_UNKNOWN_GRACE_SECONDS": str(run.grace_seconds),
            "KREISFUNK_REQUEST_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS),
        },
        # With its usual limit the simulator would refuse excess messages, and the excess could not be measured.
        "simulator": {"SIMULATOR_MESSAGES_PER_SECOND": str(run.rate * 10)},
    }
    proxies = Proxies()
    async with run_stack(
        run.folder,
        dispatchers=run.dispatchers,
        subscriptions=SUBSCRIPTIONS,
        ingresses=INGRESSES,
        newsrooms=NEWSROOMS,
        messages_per_second=run.rate,
        fresh=True,
        settings=settings,
        connect=None if run.nodes else proxies.connect,
        start=start_replicated_servers if run.nodes else start_servers,
        progress=run.say,
    ) as stack:
        _prefer_process(stack.supervisor.find(SIMULATOR).pid)
        if run.history:
            await record_history(stack.database_url)
        async with open_simulator_client(stack.simulator_url, stack.control_token) as simulator:
            return await _RunExecutor(run, stack, proxies, simulator).execute()


def _prefer_process(pid: int | None) -> None:
    """Give the process that measures times priority over the measured ones, if permitted.

    With autogroups, Linux' default, niceness applies within a session, and each session has its own niceness.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid or 0, MEASURING_NICENESS)
        Path(f"/proc/{pid}/autogroup").write_text(str(MEASURING_NICENESS))


class _RunExecutor:
    def __init__(self, run: FaultRun, stack: Stack, proxies: Proxies, simulator: SimulatorClient) -> None:
        self._run = run
        self._stack = stack
        self._simulator = simulator
        self._probes = LedgerProbes(stack.monitor_database_url)
        publisher = NoticeGenerator(build_amqp_system(stack.publisher), run.say)
        self._operator = FaultOperator(read_settings_from(stack.operator, OperatorSettings), simulator, run.say)
        self._traffic = FaultTraffic(simulator, publisher, self._operator, self._probes, run.seed, run.say)
        self._injector = FaultInjector(stack, proxies, simulator, run.seed, run.people_a_day, run.say)
        self._stall_watch = StallWatch(time.time)
        self._backlog = BacklogRecorder(stack.broker_url, self._probes, run.rate)
        self._restless: list[str] = []

    async def execute(self) -> tuple[Evidence, list[str]]:
        samplers = [asyncio.create_task(sample()) for sample in (self._stall_watch.run, self._backlog.run)]
        try:
            return await self._execute()
        finally:
            for task in samplers:
                task.cancel()

    async def _execute(self) -> tuple[Evidence, list[str]]:
        stack = self._stack
        async with record_traffic(stack.folder, broker_url=stack.broker_url, metrics_urls=stack.metrics_urls):
            await self._traffic.subscribe_all(self._run.citizens)
            await self._inject_faults()
            await self._wait_until_settled()
        evidence = await self._collect_evidence()
        if self._run.history:
            await write_history(self._stack.database_url, self._run.folder, evidence)
        return evidence, self._restless

    async def _inject_faults(self) -> None:
        """Keep traffic running until the whole plan is repaired and enough messages are accepted."""
        before = await self._simulator.count_accepted()
        traffic = asyncio.create_task(self._traffic.run(per_second=self._run.rate / 50))
        plan, injector = self._run.plan, self._injector
        in_turn = injector.follow_in_turn(plan, REST_SECONDS) if self._run.nodes else injector.follow_plan(plan)
        faults = asyncio.create_task(in_turn)
        enough = self._run.deliveries + before

        async def count_repaired() -> int:
            for task in (traffic, faults):
                if task.done():
                    task.result()  # raises why it failed
            return len(self._injector.done)

        async def count_missing() -> int:
            return max(0, enough - await self._simulator.count_accepted())

        patience = self._run.repair_timeout_seconds
        await wait_for("faults repaired", len(self._run.plan), count_repaired, patience=patience)
        await faults
        await self._wait_until_none_left("messages accepted", count_missing)
        traffic.cancel()
        with suppress(asyncio.CancelledError):
            await traffic

    async def _wait_until_settled(self) -> None:
        self._run.say("no more faults; waiting until everything has come to rest")
        await self._wait_until_none_left("webhooks taken", self._count_pending_webhooks)
        await self._wait_until_none_left("messages of citizens decided upon", self._count_unhandled)
        await self._wait_until_none_left("new numbers taken over", self._count_unmoved)
        await self._wait_until_none_left("deliveries sent", partial(self._probes.count, PENDING))
        await self._wait_until_none_left("broadcasts read to the end", partial(self._probes.count, UNREAD))
        await self._operator.resend_failed(HELD_BACK_CODE)
        # Statuses of later messages prove that the unknown ones were never accepted.
        await self._traffic.publisher.publish_last()
        await self._wait_until_none_left("last notice read to the end", partial(self._probes.count, UNREAD))
        await self._wait_until_none_left("last notice sent", partial(self._probes.count, PENDING))
        unknown = partial(self._probes.count, UNKNOWN, MAX_RESENDS)
        await self._wait_until_none_left("unknown outcomes settled", unknown)
        await self._wait_until_none_left("deliveries sent again", partial(self._probes.count, PENDING))
        await self._wait_until_none_left("last statuses taken", self._count_pending_webhooks)
        # Deliveries that the operator has settled may never get a status.
        unconfirmed = partial(self._probes.count, UNCONFIRMED, list(self._operator.settled))
        await self._wait_until_none_left("last statuses applied", unconfirmed)
        await self._wait_until_none_left("erasures finished", partial(self._probes.count, ERASING))
        await self._wait_until_none_left("events read by the newsroom", self._count_newsroom_events)

    async def _wait_until_none_left(self, label: str, count: Callable[[], Awaitable[int | None]]) -> None:
        """Wait until the count is 0; record it if it does not settle, and evaluate the run as it is."""
        try:
            await _wait_until_gone(label, count, patience=self._run.stall_timeout_seconds)
        except NoProgressError as error:
            self._restless.append(str(error))
            self._run.say(f"did not come to rest: {error}")

    async def _count_pending_webhooks(self) -> int:
        pending: int = (await self._simulator.fetch_account())["webhooks"]["pending"]
        return pending

    async def _count_unhandled(self) -> int | None:
        handled = await self._probes.count(HANDLED)
        written: int = (await self._simulator.fetch_account())["inbound"]
        return None if handled is None else written - handled

    async def _count_unmoved(self) -> int | None:
        moved = await self._probes.count(MOVED)
        return None if moved is None else self._traffic.talk.moved - moved

    async def _count_newsroom_events(self) -> int | None:
        try:
            async with connect(self._stack.broker_url, password=None, name="fault bench counts") as connection:
                return sum((await count_by_queue(connection, (NEWSROOM_EVENTS.name,))).values())
        except BrokerUnavailable:
            return None

    async def _collect_evidence(self) -> Evidence:
        outbound = await self._simulator.fetch_outbound()
        written = [
            CitizenMessage(row["citizen"], row["text"], row["written_at"], row["answered_at"])
            for row in await self._simulator.fetch_inbound()
        ]
        groups = self._traffic.groups
        key, texts = read_index_key(self._stack.folder), self._traffic.talk.texts
        secrets = await collect_pii_values(self._simulator, texts, find_erased(written), key)
        leaks, searched = await search(self._stack, secrets, self._run.say)
        return Evidence(
            outbound=outbound,
            written=written,
            ours=await read_snapshot(self._stack.monitor_database_url),
            published=tuple(self._traffic.publisher.published),
            loyal=groups.loyal.union(groups.moving),
            movers=groups.movers.difference(groups.moving),
            confirmations=read_confirmations(),
            operator_commands=tuple(self._operator.commands),
            withdrawals=tuple(self._traffic.publisher.withdrawals),
            sent_again=self._operator.sent_again,
            settled=len(self._operator.settled),
            faults=tuple(self._injector.done),
            stalls=(*self._stall_watch.stalls, *await self._simulator.fetch_stalls()),
            limit=self._run.rate,
            request_seconds=TIMEOUT_SECONDS,
            attempts=await self._simulator.fetch_attempts(),
            waiting=merge_waiting_spans(self._backlog.samples),
            wrong_key_ready_count=self._injector.wrong_key_ready_count,
            leaks=leaks,
            searched=searched,
        )


async def _wait_until_gone(label: str, count_left: Callable[[], Awaitable[int | None]], *, patience: float) -> None:
    """Wait until `count_left` returns 0; None means unknown at present. Raises NoProgressError like `wait_for`.

    Only a new minimum counts as a change; else a fluctuating number would be awaited forever.
    """
    most = 0
    least: int | None = None

    async def measure() -> ProgressCount:
        nonlocal most, least
        count = await count_left()
        if count is not None:
            most, least = max(most, count), count if least is None else min(least, count)
        if least is None:
            return ProgressCount(0, 1, "not known how many are left")
        return ProgressCount(most - least, most, f"{least} left")

    await watch_count(label, measure, patience)

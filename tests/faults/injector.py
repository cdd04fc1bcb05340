"""Injection and repair of faults."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from cli.database import UNAVAILABLE
from deploy import LocalError
from deploy.local.stack import Stack
from simulator.client import SimulatorClient
from tests.faults.fault_types import RABBITMQ, FaultAction
from tests.faults.harder_faults import freeze, hold_backup_locks, run_wrong_key_replica
from tests.faults.node_faults import NODE_ACTIONS
from tests.faults.plan import Fault
from tests.faults.proxies import GRAPH, Proxies
from tests.proxy import UNDISTURBED_NETWORK, NetworkConditions, Proxy

WATERMARK = ("set_vm_memory_high_watermark", "absolute")
ALARM_WATERMARK, DEFAULT_WATERMARK = "1MB", "768MB"
CONTROL_TIMEOUT_SECONDS = 30.0
RETRY_DELAY_SECONDS = 0.5


@dataclass(frozen=True)
class InjectedFault:
    """A fault that was injected: `began` is its start, `repaired` the end of the repair or of the target's restart."""

    fault: Fault
    began: float
    repaired: float


@dataclass
class FaultInjector:
    """Injector of faults, which may overlap; never two on the same process at the same time.

    `people_a_day` is Meta's tier while it is used up, `wrong_key_ready_count` counts replicas with a wrong key that
    reported ready.
    """

    stack: Stack
    proxies: Proxies
    simulator: SimulatorClient
    seed: int
    people_a_day: int
    say: Callable[[str], None]
    wrong_key_ready_count: int = 0
    done: list[InjectedFault] = field(default_factory=list)
    _locks: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    _conditions: dict[Proxy, list[NetworkConditions]] = field(default_factory=lambda: defaultdict(list))
    _disturbances: list[Mapping[str, object]] = field(default_factory=list)

    async def follow_plan(self, plan: Sequence[Fault]) -> None:
        """Inject each fault of the plan at its time; return when all are repaired."""
        start = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for fault in plan:
                await asyncio.sleep(max(0.0, start + fault.at - time.monotonic()))
                tasks.create_task(self._inject(fault))

    async def follow_in_turn(self, plan: Sequence[Fault], rest: float) -> None:
        """Inject one fault after another, each `rest` seconds after the repair of the previous one."""
        for fault in plan:
            await asyncio.sleep(rest)
            await self._inject(fault)

    async def _inject(self, fault: Fault) -> None:
        self.say(f"{fault.at:6.1f} s  {fault.kind}: {fault.target}")
        began = time.time()
        action = fault.recipe.action
        if action in NODE_ACTIONS:
            await NODE_ACTIONS[action](self.stack, fault)
        else:
            await self._ACTIONS[action](self, fault)
        self.done.append(InjectedFault(fault, began, time.time()))

    async def _kill(self, fault: Fault) -> None:
        async with self._locks[fault.target]:
            self.stack.supervisor.kill(fault.target)
            await self.stack.supervisor.wait_until_ready(fault.target)

    async def _restart(self, fault: Fault) -> None:
        async with self._locks[fault.target]:
            await self.stack.supervisor.stop_one(fault.target)
            await _retry_until_done(lambda: self.stack.supervisor.start_one(fault.target))

    async def _raise_alarm(self, fault: Fault) -> None:
        async with self._locks[RABBITMQ]:
            await self._set_watermark(ALARM_WATERMARK)
            await asyncio.sleep(fault.seconds)
            await self._set_watermark(DEFAULT_WATERMARK)

    async def _set_watermark(self, size: str) -> None:
        run = self.stack.servers.rabbitmq.run_rabbitmqctl
        await _retry_until_done(lambda: asyncio.wait_for(run(*WATERMARK, size), CONTROL_TIMEOUT_SECONDS))

    async def _cut(self, fault: Fault) -> None:
        for proxy in self._find_proxies(fault.target):
            proxy.cut()

    async def _change_network(self, fault: Fault) -> None:
        proxies, conditions = list(self._find_proxies(fault.target)), fault.recipe.network
        async with self._apply_disturbance(fault.recipe.disturbance):
            with self._apply_conditions(proxies, conditions):
                await asyncio.sleep(fault.seconds)
        if conditions.blackhole or conditions.swallow_answers or (conditions.is_slow and fault.target.endswith(GRAPH)):
            # Swallowed bytes are missing from the stream; delayed requests must not reach Meta all at once.
            for proxy in proxies:
                proxy.cut()

    @contextmanager
    def _apply_conditions(self, proxies: Sequence[Proxy], conditions: NetworkConditions) -> Iterator[None]:
        for proxy in proxies:
            self._conditions[proxy].append(conditions)
            proxy.set_conditions(conditions)
        try:
            yield
        finally:
            for proxy in proxies:
                self._conditions[proxy].remove(conditions)
                proxy.set_conditions(next(reversed(self._conditions[proxy]), UNDISTURBED_NETWORK))

    async def _apply_meta_faults(self, fault: Fault) -> None:
        if fault.recipe.account_update:
            await self.simulator.report_account_change("account_update", fault.recipe.account_update)
        async with self._apply_disturbance(fault.recipe.disturbance):
            await asyncio.sleep(fault.seconds)

    @asynccontextmanager
    async def _apply_disturbance(self, disturbance: Mapping[str, object]) -> AsyncIterator[None]:
        if not disturbance:
            yield
            return
        self._disturbances.append(disturbance)
        try:
            await self._update_disturbances()
            yield
        finally:
            self._disturbances.remove(disturbance)
            await self._update_disturbances()

    async def _update_disturbances(self) -> None:
        faults: dict[str, object] = {"seed": self.seed}
        for disturbance in self._disturbances:
            faults |= disturbance
        await self.simulator.set_faults(faults)

    async def _freeze(self, fault: Fault) -> None:
        async with self._locks[fault.target]:
            await self.stack.supervisor.wait_until_ready(fault.target)
            pid = self.stack.supervisor.find(fault.target).pid
            if pid is not None:
                with freeze(pid):
                    await asyncio.sleep(fault.seconds)

    async def _limit_tier(self, fault: Fault) -> None:
        try:
            await self.simulator.set_tier(self.people_a_day)
            await asyncio.sleep(fault.seconds)
        finally:
            await self.simulator.set_tier(None)

    async def _run_backup(self, fault: Fault) -> None:
        """Run a backup and restart the target meanwhile, as every dispatcher maintains the ledger when it starts."""
        async with asyncio.TaskGroup() as tasks:
            try:
                async with hold_backup_locks(self.stack.database_url):
                    tasks.create_task(self._restart(fault))
                    await asyncio.sleep(fault.seconds)
            except UNAVAILABLE as error:
                self.say(f"          no backup: {type(error).__name__}")

    async def _run_wrong_key_replica(self, fault: Fault) -> None:
        self.wrong_key_ready_count += await run_wrong_key_replica(self.stack.supervisor, fault.target, fault.seconds)

    def _find_proxies(self, link: str) -> Iterator[Proxy]:
        process, peer = link.split("/")
        for (name, other), proxy in self.proxies.proxies.items():
            if other == peer and process in (name, name.rpartition("-")[0]):
                yield proxy

    _ACTIONS = {  # noqa: RUF012 (a table of methods)
        FaultAction.KILL: _kill,
        FaultAction.RESTART: _restart,
        FaultAction.ALARM: _raise_alarm,
        FaultAction.CUT: _cut,
        FaultAction.NETWORK: _change_network,
        FaultAction.META: _apply_meta_faults,
        FaultAction.FREEZE: _freeze,
        FaultAction.TIER: _limit_tier,
        FaultAction.BACKUP: _run_backup,
        FaultAction.WRONG_KEY: _run_wrong_key_replica,
    }


async def _retry_until_done(act: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            await act()
        except (LocalError, TimeoutError):
            await asyncio.sleep(RETRY_DELAY_SECONDS)
        else:
            return

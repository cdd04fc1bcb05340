"""The hands that do a fault and repair it."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import asyncpg

from cli.demo.simulator import Simulator
from cli.faults.backup import backup_reading
from cli.faults.catalogue import RABBITMQ, Action
from cli.faults.plan import Fault
from cli.faults.stray_replica import run_stray_replica
from deploy.local.detours import GRAPH
from deploy.local.errors import LocalError
from deploy.local.process import frozen
from deploy.local.proxy import CLEAR, Proxy, Weather
from deploy.local.stack import Stack

WATERMARK = ("set_vm_memory_high_watermark", "absolute")
ALARM_AT, USUAL_AT = "1MB", "768MB"
CONTROL_SECONDS = 30.0
TRY_AGAIN_SECONDS = 0.5


@dataclass(frozen=True)
class Done:
    """A fault that happened: when it began, and when it was repaired or what was hit was ready again."""

    fault: Fault
    began: float
    repaired: float


@dataclass
class Hands:
    """Faults may overlap; two of them never work on the same process at the same time.

    `people_a_day` is Meta's tier while that is used up, `strays_ready` how often a replica with a wrong key was ready.
    """

    stack: Stack
    simulator: Simulator
    seed: int
    people_a_day: int
    say: Callable[[str], None]
    strays_ready: int = 0
    done: list[Done] = field(default_factory=list)
    _locks: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    _weathers: dict[Proxy, list[Weather]] = field(default_factory=lambda: defaultdict(list))
    _disturbances: list[Mapping[str, object]] = field(default_factory=list)

    async def follow(self, plan: Sequence[Fault]) -> None:
        """The whole plan, each fault at its time."""
        start = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for fault in plan:
                await asyncio.sleep(max(0.0, start + fault.at - time.monotonic()))
                tasks.create_task(self._do(fault))

    async def _do(self, fault: Fault) -> None:
        self.say(f"{fault.at:6.1f} s  {fault.kind}: {fault.target}")
        began = time.time()
        await self._ACTIONS[fault.recipe.action](self, fault)
        self.done.append(Done(fault, began, time.time()))

    async def _kill(self, fault: Fault) -> None:
        async with self._locks[fault.target]:
            self.stack.supervisor.kill(fault.target)
            await self.stack.supervisor.until_ready(fault.target)

    async def _restart(self, fault: Fault) -> None:
        async with self._locks[fault.target]:
            await self.stack.supervisor.take_down(fault.target)
            while not await self._brought_up(fault.target):  # noqa: ASYNC110 (nothing tells us)
                await asyncio.sleep(TRY_AGAIN_SECONDS)

    async def _brought_up(self, name: str) -> bool:
        try:
            await self.stack.supervisor.bring_up(name)
        except LocalError:
            return False  # what it needs is away just now
        return True

    async def _alarm(self, fault: Fault) -> None:
        async with self._locks[RABBITMQ]:
            await self._watermark(ALARM_AT)
            await asyncio.sleep(fault.seconds)
            await self._watermark(USUAL_AT)

    async def _watermark(self, size: str) -> None:
        while not await self._controlled(*WATERMARK, size):  # noqa: ASYNC110 (nothing tells us)
            await asyncio.sleep(TRY_AGAIN_SECONDS)

    async def _controlled(self, *arguments: str) -> bool:
        try:
            async with asyncio.timeout(CONTROL_SECONDS):
                await self.stack.rabbitmq.control(*arguments)
        except (LocalError, TimeoutError):
            return False
        return True

    async def _cut(self, fault: Fault) -> None:
        for proxy in self._proxies(fault.target):
            proxy.cut()

    async def _weather(self, fault: Fault) -> None:
        proxies, weather = list(self._proxies(fault.target)), fault.recipe.weather
        async with self._disturbed(fault.recipe.disturbance):
            with self._changed(proxies, weather):
                await asyncio.sleep(fault.seconds)
        if weather.hole or weather.swallow_answers or (weather.slow and fault.target.endswith(GRAPH)):
            # What was swallowed is missing; and what is late must not reach Meta all at once.
            for proxy in proxies:
                proxy.cut()

    @contextmanager
    def _changed(self, proxies: Sequence[Proxy], weather: Weather) -> Iterator[None]:
        for proxy in proxies:
            self._weathers[proxy].append(weather)
            proxy.change(weather)
        yield
        for proxy in proxies:
            self._weathers[proxy].remove(weather)
            proxy.change(next(reversed(self._weathers[proxy]), CLEAR))

    async def _meta(self, fault: Fault) -> None:
        async with self._disturbed(fault.recipe.disturbance):
            await asyncio.sleep(fault.seconds)

    @asynccontextmanager
    async def _disturbed(self, disturbance: Mapping[str, object]) -> AsyncIterator[None]:
        if not disturbance:
            yield
            return
        self._disturbances.append(disturbance)
        await self._disturb()
        yield
        self._disturbances.remove(disturbance)
        await self._disturb()

    async def _disturb(self) -> None:
        together: dict[str, object] = {"seed": self.seed}
        for disturbance in self._disturbances:
            together |= disturbance
        await self.simulator.disturb(together)

    async def _freeze(self, fault: Fault) -> None:
        async with self._locks[fault.target]:
            await self.stack.supervisor.until_ready(fault.target)
            pid = self.stack.supervisor.find(fault.target).pid
            if pid is not None:
                with frozen(pid):
                    await asyncio.sleep(fault.seconds)

    async def _tier(self, fault: Fault) -> None:
        await self.simulator.set_tier(self.people_a_day)
        await asyncio.sleep(fault.seconds)
        await self.simulator.set_tier(None)

    async def _backup(self, fault: Fault) -> None:
        """With a restart of the target meanwhile, as every dispatcher maintains the ledger when it starts."""
        async with asyncio.TaskGroup() as tasks:
            try:
                async with backup_reading(self.stack.database_url):
                    tasks.create_task(self._restart(fault))
                    await asyncio.sleep(fault.seconds)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                self.say(f"          no backup: {type(error).__name__}")

    async def _stray(self, fault: Fault) -> None:
        self.strays_ready += await run_stray_replica(self.stack.supervisor, fault.target, fault.seconds)

    def _proxies(self, link: str) -> Iterator[Proxy]:
        process, peer = link.split("/")
        for (name, other), proxy in self.stack.detours.proxies.items():
            if other == peer and process in (name, name.rpartition("-")[0]):
                yield proxy

    _ACTIONS = {  # noqa: RUF012 (a table of methods)
        Action.KILL: _kill,
        Action.RESTART: _restart,
        Action.ALARM: _alarm,
        Action.CUT: _cut,
        Action.WEATHER: _weather,
        Action.META: _meta,
        Action.FREEZE: _freeze,
        Action.TIER: _tier,
        Action.BACKUP: _backup,
        Action.STRAY: _stray,
    }

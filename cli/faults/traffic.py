"""What goes on while faults happen: broadcasts with what becomes of them, citizens who talk, and an operator."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from cli.demo.progress import wait_for
from cli.demo.simulator import Simulator
from cli.faults.books import Looks
from cli.faults.catalogue import KEPT_BACK
from cli.faults.operator import Operator
from cli.faults.publisher import Fate, Published, Publisher
from cli.faults.talk import START, START_PER_SECOND, Crowd, Talk

BSUID_SHARE = 0.05
PATIENCE_SECONDS = 90.0
LOOK_SECONDS = 0.5
# WhatsApp lets one person get a message every six seconds.
BROADCAST_EVERY_SECONDS = 7.0
LEFT_SHARE = 0.35
SOON_SECONDS = 2.0
PAUSED_SECONDS = 4.0
KNOWN_SECONDS = 30.0


@dataclass
class Traffic:
    """Runs until it is cancelled."""

    simulator: Simulator
    publisher: Publisher
    operator: Operator
    looks: Looks
    seed: int
    say: Callable[[str], None]
    talk: Talk = field(init=False)
    _citizens: int = 0
    _last: float = 0.0

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)  # noqa: S311 (has to be the same again)
        self.talk = Talk(self.simulator, Crowd(), chance)

    @property
    def crowd(self) -> Crowd:
        return self.talk.crowd

    async def gather(self, count: int) -> None:
        """Everybody subscribes and is welcomed, before anything goes wrong."""
        self.say(f'{count} citizens send "Start"')
        everybody = await self.simulator.add_citizens(count, bsuid_only=int(count * BSUID_SHARE))
        await self.simulator.write(everybody, START, per_second=START_PER_SECOND)
        await wait_for("welcomed", count, self.accepted, patience=PATIENCE_SECONDS)
        random.Random(self.seed).shuffle(everybody)  # noqa: S311 (has to be the same again)
        self._citizens, self.talk.crowd = count, Crowd.of(everybody)

    async def accepted(self) -> int:
        """Messages that the simulator took so far."""
        count: int = (await self.simulator.account())["accepted"]
        return count

    async def run(self, per_second: float) -> None:
        """`per_second` is how many citizens write in a second."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._broadcast())
            tasks.create_task(self.talk.run(per_second))
            tasks.create_task(self.operator.run(KEPT_BACK))

    async def _broadcast(self) -> None:
        """A bulk broadcast as soon as little is left of those before, and an urgent one on top of it."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            left = await self.looks.left()
            rested = time.monotonic() - self._last > BROADCAST_EVERY_SECONDS
            if left is not None and rested and left <= LEFT_SHARE * self._citizens:
                published, fate = await self.publisher.publish()
                self._last = time.monotonic()
                await self._meet(published, fate)

    async def _meet(self, published: Published, fate: Fate) -> None:
        """What happens to it while it is being sent."""
        acts: tuple[tuple[bool, Callable[[], Awaitable[object]]], ...] = (
            (fate.is_paused, lambda: self.operator.pause(published.notice, PAUSED_SECONDS)),
            (fate.is_withdrawn, lambda: self.publisher.withdraw(published.notice)),
            (fate.is_cancelled, lambda: self.operator.cancel(published.notice)),
            (fate.is_corrected, lambda: self._correct(published, fate)),
        )
        for happens, act in acts:
            if happens:
                await asyncio.sleep(SOON_SECONDS)
                await act()

    async def _correct(self, published: Published, fate: Fate) -> None:
        """Once the earlier one is known: a correction of an unknown notice would be refused."""
        until = time.monotonic() + KNOWN_SECONDS
        while time.monotonic() < until:
            if await self.looks.knows(published.notice):
                await self.publisher.correct(published, fate)
                return
            await asyncio.sleep(LOOK_SECONDS)

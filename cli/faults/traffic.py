"""What the system has to do meanwhile: broadcasts, urgent ones, questions, Starts and Stops."""

import asyncio
import random
import string
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cli.demo.progress import wait_for
from cli.demo.simulator import Simulator
from cli.faults.books import Looks
from cli.faults.publisher import Publisher

START, STOP = "Start", "Stop"
BSUID_SHARE = 0.05
ASK_SHARE, LEAVE_SHARE = 0.2, 0.2
START_PER_SECOND = 300.0
PATIENCE_SECONDS = 90.0
LOOK_SECONDS = 0.5
# WhatsApp lets one person get a message every six seconds.
BROADCAST_EVERY_SECONDS = 7.0
LEFT_SHARE = 0.6
WITHDRAW_AFTER_SECONDS = 2.0
TALK_SECONDS = 0.5
COME_BACK_SECONDS = 10.0
COME_BACK_SHARE = 0.3


@dataclass
class Crowd:
    """The citizens. Nobody among `loyal` ever says anything after the first Start, so they must get everything."""

    loyal: frozenset[int] = frozenset()
    asking: list[int] = field(default_factory=list)
    leaving: list[int] = field(default_factory=list)


@dataclass
class Traffic:
    """Runs until it is cancelled. `texts` are words that only one citizen has written."""

    simulator: Simulator
    publisher: Publisher
    looks: Looks
    seed: int
    say: Callable[[str], None]
    crowd: Crowd = field(default_factory=Crowd)
    texts: list[str] = field(default_factory=list)
    _last: float = 0.0

    async def gather(self, count: int) -> None:
        """Everybody subscribes and is welcomed, before anything goes wrong."""
        self.say(f'{count} citizens send "Start"')
        everybody = await self.simulator.add_citizens(count, bsuid_only=int(count * BSUID_SHARE))
        await self.simulator.write(everybody, START, per_second=START_PER_SECOND)
        await wait_for("welcomed", count, self.accepted, patience=PATIENCE_SECONDS)
        random.Random(self.seed).shuffle(everybody)  # noqa: S311 (has to be the same again)
        asking, leaving = int(count * ASK_SHARE), int(count * LEAVE_SHARE)
        self.crowd = Crowd(
            asking=everybody[:asking],
            leaving=everybody[asking : asking + leaving],
            loyal=frozenset(everybody[asking + leaving :]),
        )

    async def accepted(self) -> int:
        """Messages that the simulator took so far."""
        count: int = (await self.simulator.account())["accepted"]
        return count

    async def run(self, per_second: float) -> None:
        """`per_second` is how many citizens write in a second."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._broadcast())
            tasks.create_task(self._talk(per_second))

    async def _broadcast(self) -> None:
        """A bulk broadcast as soon as little is left of those before, and an urgent one on top of it."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            left = await self.looks.left()
            rested = time.monotonic() - self._last > BROADCAST_EVERY_SECONDS
            if left is not None and rested and left <= LEFT_SHARE * len(self.crowd.loyal):
                await self.publish()

    async def publish(self) -> None:
        """One notice, withdrawn soon if it is one of those."""
        published = await self.publisher.publish()
        self._last = time.monotonic()
        if self.publisher.last_is_to_be_withdrawn:
            await asyncio.sleep(WITHDRAW_AFTER_SECONDS)
            await self.publisher.withdraw(published.notice)

    async def _talk(self, per_second: float) -> None:
        chance = random.Random(self.seed)  # noqa: S311 (has to be the same again)
        returning: list[tuple[float, int]] = []
        while True:
            await asyncio.sleep(TALK_SECONDS)
            now = time.monotonic()
            for citizen in _drawn(self.crowd.leaving, chance, per_second * TALK_SECONDS / 2):
                await self._say(citizen, STOP)
                if chance.random() < COME_BACK_SHARE:
                    returning.append((now + COME_BACK_SECONDS, citizen))
            for citizen in _drawn(self.crowd.asking, chance, per_second * TALK_SECONDS / 2):
                await self._say(citizen, self._question(chance))
            while returning and returning[0][0] < now:
                await self._say(returning.pop(0)[1], START)

    def _question(self, chance: random.Random) -> str:
        """With a word that occurs nowhere else, so that one can look where it has got to."""
        self.texts.append("vorgang" + "".join(chance.choices(string.ascii_lowercase, k=12)))
        return f"Wann ist das Bürgerbüro offen? Es geht um {self.texts[-1]}."

    async def _say(self, citizen: int, text: str) -> None:
        await self.simulator.write([citizen], text, per_second=START_PER_SECOND)


def _drawn(pool: list[int], chance: random.Random, expected: float) -> Sequence[int]:
    """Some of the pool, who leave it; `expected` on average."""
    count = int(expected) + (chance.random() < expected % 1)
    return [pool.pop() for _ in range(min(count, len(pool)))]

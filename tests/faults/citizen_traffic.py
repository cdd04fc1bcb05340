"""Messages of citizens during a run: questions, feedback, Stops, erasures, and Starts of returning citizens."""

import asyncio
import random
import string
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from simulator.client import SimulatorClient

START, STOP, ERASE, DATA = "Start", "Stop", "Löschen", "Daten"
LEAVING = (STOP, ERASE)
START_PER_SECOND = 300.0
TALK_INTERVAL_SECONDS = 0.5
RETURN_DELAY_SECONDS = 10.0
COME_BACK_SHARE = 0.3
ASK_SHARE, LEAVE_SHARE, ERASE_SHARE, MOVE_SHARE = 0.2, 0.15, 0.05, 0.05


@dataclass
class CitizenGroups:
    """Citizens by behaviour. `loyal` ones send nothing after the first Start, so they must receive everything.

    `movers` send nothing either, but a message may still be on its way to the old number while they change it.
    """

    loyal: frozenset[int] = frozenset()
    movers: frozenset[int] = frozenset()
    asking: list[int] = field(default_factory=list)
    leaving: list[int] = field(default_factory=list)
    erasing: list[int] = field(default_factory=list)
    moving: list[int] = field(default_factory=list)

    @classmethod
    def split(cls, everybody: Sequence[int]) -> "CitizenGroups":
        """Split the citizens: the first ones become active, the others loyal."""
        talking: list[list[int]] = []
        start = 0
        for share in (ASK_SHARE, LEAVE_SHARE, ERASE_SHARE, MOVE_SHARE):
            end = start + int(len(everybody) * share)
            talking.append(list(everybody[start:end]))
            start = end
        asking, leaving, erasing, moving = talking
        loyal, movers = frozenset(everybody[start:]), frozenset(moving)
        return cls(loyal, movers, asking, leaving, erasing, moving)


@dataclass
class CitizenTraffic:
    """Traffic of the citizens. `texts` are words that only one citizen wrote, `moved` counts changes of number."""

    simulator: SimulatorClient
    groups: CitizenGroups
    chance: random.Random
    texts: list[str] = field(default_factory=list)
    moved: int = 0
    _returning: list[tuple[float, int]] = field(default_factory=list)

    async def run(self, per_second: float) -> None:
        """Run until cancelled; `per_second` citizens write per second."""
        groups, expected = self.groups, per_second * TALK_INTERVAL_SECONDS
        while True:
            await asyncio.sleep(TALK_INTERVAL_SECONDS)
            for citizen in self._draw_citizens(groups.leaving, expected * 0.4):
                await self._leave(citizen, STOP)
            for citizen in self._draw_citizens(groups.erasing, expected * 0.1):
                await self._leave(citizen, ERASE)
            for citizen in self._draw_citizens(groups.asking, expected * 0.4):
                await self._say(citizen, self._choose_words())
            for citizen in self._draw_citizens(groups.moving, expected * 0.1):
                await self._move(citizen)
            for citizen in self._pop_returning():
                await self._say(citizen, START)

    async def _move(self, citizen: int) -> None:
        self.moved += 1
        await self.simulator.change_number(citizen)

    async def _leave(self, citizen: int, word: str) -> None:
        await self._say(citizen, word)
        if self.chance.random() < COME_BACK_SHARE:
            self._returning.append((time.monotonic() + RETURN_DELAY_SECONDS, citizen))

    def _pop_returning(self) -> Iterator[int]:
        while self._returning and self._returning[0][0] < time.monotonic():
            yield self._returning.pop(0)[1]

    def _choose_words(self) -> str:
        """Return a text with a unique word, so that the leak search can trace it."""
        self.texts.append("vorgang" + "".join(self.chance.choices(string.ascii_lowercase, k=12)))
        question = f"Wann ist das Bürgerbüro offen? Es geht um {self.texts[-1]}."
        return self.chance.choice([question, question, DATA, f"Feedback: Danke für {self.texts[-1]}"])

    async def _say(self, citizen: int, text: str) -> None:
        await self.simulator.send_text([citizen], text, per_second=START_PER_SECOND)

    def _draw_citizens(self, pool: list[int], expected: float) -> Sequence[int]:
        """Remove and return some citizens of the pool, `expected` on average."""
        count = int(expected) + (self.chance.random() < expected % 1)
        return [pool.pop() for _ in range(min(count, len(pool)))]

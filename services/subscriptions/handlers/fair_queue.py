"""Fair queue: one person's messages are handled in order, and nobody's backlog delays anybody else.

Weighted fair queueing (Demers, Keshav, Shenker, SIGCOMM 1989): a turn finishes, in virtual time, its cost after the
later of the clock and the person's previous turn, and the earliest finish goes first. The clock advances as if all who
have a turn or wait for one were served at the same time: one long message from each of a thousand people advances it by
the cost of one.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count


@dataclass(eq=False)
class _Turn:
    """Turn of a person.

    `blockers` is the number of the person's turns that have to end before it; `followers` wait for this one.
    """

    started: asyncio.Future[None]
    cost: float
    blockers: int = 0
    earliest: float = 0.0
    finish: float = 0.0
    followers: "list[_Turn]" = field(default_factory=list)

    @property
    def is_started(self) -> bool:
        return self.started.done() and not self.started.cancelled()


class FairQueue:
    """Queue of at most `max_concurrent` turns at once. A person is all blind indexes that may belong to them."""

    def __init__(self, max_concurrent: int) -> None:
        self._max_concurrent = self._free = max_concurrent
        self._clock = 0.0
        self._numbers = count()
        self._ready: list[tuple[float, int, _Turn]] = []
        self._latest: dict[bytes, _Turn] = {}

    @asynccontextmanager
    async def take(self, person: Sequence[bytes], cost: float) -> AsyncIterator[None]:
        """Wait for the person's turn, which lasts until the block ends."""
        turn = self._enter(person, cost)
        try:
            await turn.started
            yield
        finally:
            self._leave(turn, person)

    def _enter(self, person: Sequence[bytes], cost: float) -> _Turn:
        turn = _Turn(asyncio.get_running_loop().create_future(), cost)
        for previous in {self._latest[index]: None for index in person if index in self._latest}:
            previous.followers.append(turn)
            turn.blockers += 1
        self._latest.update(dict.fromkeys(person, turn))
        self._enqueue(turn)
        self._start_ready()
        return turn

    def _leave(self, turn: _Turn, person: Sequence[bytes]) -> None:
        self._free += turn.is_started
        for index in person:
            if self._latest.get(index) is turn:
                del self._latest[index]
        for follower in turn.followers:
            follower.blockers -= 1
            follower.earliest = max(follower.earliest, turn.finish)
            self._enqueue(follower)
        self._start_ready()

    def _enqueue(self, turn: _Turn) -> None:
        if turn.blockers:
            return
        turn.finish = max(self._clock, turn.earliest) + turn.cost
        heappush(self._ready, (turn.finish, next(self._numbers), turn))

    def _start_ready(self) -> None:
        while self._free and self._ready:
            _, _, turn = heappop(self._ready)
            if not turn.started.done():  # else the task that waited for it was cancelled
                self._free -= 1
                self._clock += turn.cost / (self._max_concurrent - self._free + len(self._ready))
                turn.started.set_result(None)

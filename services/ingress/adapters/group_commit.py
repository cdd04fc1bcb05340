"""Group commit: all that waits at the same moment is published together and confirmed together.

A publish with its confirm costs several times what a webhook costs otherwise; one for many costs little.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Generic, TypeVar

from services.ingress.ports import NotStored

E = TypeVar("E")
Answer = asyncio.Future[bool]
Publish = Callable[[Sequence[E]], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The most that one group holds; a single event may weigh more, and then travels alone.

    While a group is in flight, another leaves only once `beside` slices wait: several small ones cost more than
    one that waits for the confirm before it.
    """

    events: int
    weight: int
    beside: int = 1


@dataclass(slots=True)
class _Slice(Generic[E]):
    """Events of one submitter that travel in the same group, and what it waits for."""

    events: Sequence[E]
    weight: int
    stored: Answer


def answer_all(answers: Iterable[Answer], stored: bool) -> None:
    """Those that have an answer keep it."""
    for answer in answers:
        if not answer.done():
            answer.set_result(stored)


@dataclass
class GroupCommit(Generic[E]):
    """Events of one kind. Run `work` as often as groups may be in flight at the same time."""

    publish: Publish[E]
    weigh: Callable[[Sequence[E]], int]
    limits: Limits
    _waiting: deque[_Slice[E]] = field(default_factory=deque)
    _in_flight: int = 0
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _ready: asyncio.Event = field(default_factory=asyncio.Event)

    def submit(self, events: Sequence[E]) -> list[Answer]:
        """Whether they are confirmed: most often one answer, more for more than a group holds.

        Setting or cancelling an answer takes back its events if no group holds them yet.
        """
        slices = self._slices(events)
        self._waiting.extend(slices)
        self._check()
        return [each.stored for each in slices]

    async def work(self) -> None:
        """Publish one group after the other, for ever."""
        while True:
            await self._ready.wait()
            if group := self._take():
                self._in_flight += 1
                self._check()
                await self._commit(group)
                self._in_flight -= 1
            self._check()

    def _slices(self, events: Sequence[E]) -> list[_Slice[E]]:
        """Halves, and halves of these, until each fits into a group."""
        weight = self.weigh(events)
        if len(events) == 1 or (len(events) <= self.limits.events and weight <= self.limits.weight):
            return [_Slice(events, weight, self._loop.create_future())]
        middle = len(events) // 2
        return [*self._slices(events[:middle]), *self._slices(events[middle:])]

    def _check(self) -> None:
        """Whether a group may leave now."""
        if len(self._waiting) >= (self.limits.beside if self._in_flight else 1):
            self._ready.set()
        else:
            self._ready.clear()

    def _take(self) -> list[_Slice[E]]:
        """As many as fit from the front, without those whose submitter has gone."""
        group: list[_Slice[E]] = []
        events, weight = self.limits.events, self.limits.weight
        while self._ready.is_set() and self._waiting:
            first = self._waiting[0]
            if not first.stored.done():
                events -= len(first.events)
                weight -= first.weight
                if group and (events < 0 or weight < 0):
                    return group
                group.append(first)
            self._waiting.popleft()
        return group

    async def _commit(self, group: Sequence[_Slice[E]]) -> None:
        try:
            await self.publish(list(chain.from_iterable(each.events for each in group)))
        except NotStored:
            stored = False
        else:
            stored = True
        answer_all((each.stored for each in group), stored)

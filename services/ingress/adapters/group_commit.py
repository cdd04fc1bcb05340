"""Group commit: all that waits at the same moment is published together and confirmed together.

A publish with its confirm costs several times what a webhook costs otherwise; one for many costs little.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from services.ingress.ports import NotStored

E = TypeVar("E")
Publish = Callable[[Sequence[E]], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The most that one group holds; a single event may weigh more, and then travels alone.

    While a group is in flight, another leaves only once `beside` events wait: several small ones cost more than
    one that waits for the confirm before it.
    """

    events: int
    weight: int
    beside: int = 1


@dataclass
class _Submission:
    """What one submitter waits for: its events that are not confirmed yet."""

    missing: int
    stored: asyncio.Future[bool]

    def confirm(self) -> None:
        self.missing -= 1
        if self.missing == 0 and not self.stored.done():
            self.stored.set_result(True)

    def fail(self) -> None:
        if not self.stored.done():
            self.stored.set_result(False)


class _Waiting(NamedTuple, Generic[E]):
    event: E
    submission: _Submission


@dataclass
class GroupCommit(Generic[E]):
    """Events of one kind. Run `work` as often as groups may be in flight at the same time."""

    publish: Publish[E]
    weigh: Callable[[E], int]
    limits: Limits
    _waiting: deque[_Waiting[E]] = field(default_factory=deque)
    _in_flight: int = 0
    _ready: asyncio.Event = field(default_factory=asyncio.Event)

    def submit(self, events: Sequence[E]) -> asyncio.Future[bool]:
        """Whether all of them are confirmed. Setting or cancelling it takes back what no group holds yet."""
        submission = _Submission(len(events), asyncio.get_running_loop().create_future())
        if events:
            self._waiting.extend(_Waiting(event, submission) for event in events)
            self._check()
        else:
            submission.stored.set_result(True)
        return submission.stored

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

    def _check(self) -> None:
        """Whether a group may leave now."""
        if len(self._waiting) >= (self.limits.beside if self._in_flight else 1):
            self._ready.set()
        else:
            self._ready.clear()

    def _take(self) -> list[_Waiting[E]]:
        """As many as fit from the front, without those whose submitter has gone."""
        group: list[_Waiting[E]] = []
        room = self.limits.weight
        while self._ready.is_set() and self._waiting and len(group) < self.limits.events:
            first = self._waiting[0]
            if not first.submission.stored.done():
                room -= self.weigh(first.event)
                if group and room < 0:
                    return group
                group.append(first)
            self._waiting.popleft()
        return group

    async def _commit(self, group: list[_Waiting[E]]) -> None:
        try:
            await self.publish([waiting.event for waiting in group])
        except NotStored:
            for waiting in group:
                waiting.submission.fail()
        else:
            for waiting in group:
                waiting.submission.confirm()

"""Group commit: all chunks waiting at the same moment are published and confirmed together.

A publish with its confirm costs several times as much as the rest of a webhook; one for many webhooks costs little.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.ingress.webhook.events import Chunk
from services.ingress.webhook.receiver import NotStored

STEPS = 20
Confirmation = asyncio.Future[bool]
PublishGroup = Callable[[Sequence[Chunk]], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class GroupLimits:
    """Limits of one group; a single larger chunk forms its own group.

    While groups are in flight, another leaves once as many chunks wait as are in flight, or `flush_threshold` if that
    is less: several small groups cost more CPU than a large one; with only one in flight the process idles until its
    confirm.
    """

    events: int
    size: int
    flush_threshold: int = 1


class _PendingChunk(NamedTuple):
    chunk: Chunk
    stored: Confirmation


def resolve_all(confirmations: Iterable[Confirmation], stored: bool) -> None:
    """Set `stored` on all confirmations that are still pending."""
    for confirmation in confirmations:
        if not confirmation.done():
            confirmation.set_result(stored)


@dataclass
class GroupCommit:
    """Group commit of events of one type. Run `work` as many times as groups may be in flight at once."""

    publish: PublishGroup
    limits: GroupLimits
    _waiting: deque[_PendingChunk] = field(default_factory=deque, init=False)
    _in_flight: int = field(default=0, init=False)
    _ready: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop, init=False)

    def submit(self, chunks: Iterable[Chunk]) -> list[Confirmation]:
        """Queue the chunks; return for each a future that tells whether it was stored.

        Setting or cancelling the future withdraws its chunk if no group holds it yet.
        """
        pending = [_PendingChunk(chunk, self._loop.create_future()) for chunk in chunks]
        self._waiting.extend(pending)
        self._update_ready()
        return [chunk.stored for chunk in pending]

    async def work(self) -> None:
        """Publish one group after another, forever."""
        while True:
            await self._ready.wait()
            if group := self._take():
                self._in_flight += len(group)
                self._update_ready()
                await self._commit(group)
                self._in_flight -= len(group)
            self._update_ready()

    def _update_ready(self) -> None:
        """Update whether a group may be published now."""
        if len(self._waiting) >= max(1, min(self._in_flight, self.limits.flush_threshold)):
            self._ready.set()
        else:
            self._ready.clear()

    def _take(self) -> list[_PendingChunk]:
        """Take as many chunks from the front as fit, dropping those already resolved or cancelled."""
        group: list[_PendingChunk] = []
        events, size = self.limits.events, self.limits.size
        while self._ready.is_set() and self._waiting:
            first = self._waiting[0]
            if not first.stored.done():
                events -= first.chunk.events
                size -= len(first.chunk.json)
                if group and (events < 0 or size < 0):
                    return group
                group.append(first)
            self._waiting.popleft()
        return group

    async def _commit(self, group: Sequence[_PendingChunk]) -> None:
        try:
            await self.publish([pending.chunk for pending in group])
        except NotStored:
            stored = False
        else:
            stored = True
        resolve_all([pending.stored for pending in group], stored)


@dataclass
class Deadlines:
    """Timeout of confirmations: those pending after `seconds` (up to 5 % later) resolve to False. Run `work` once.

    A timer for each webhook would be a large part of its cost.
    """

    seconds: float
    _new: list[Confirmation] = field(default_factory=list, init=False)
    _old: deque[list[Confirmation]] = field(default_factory=deque, init=False)

    def watch(self, confirmations: Iterable[Confirmation]) -> None:
        self._new.extend(confirmations)

    async def work(self) -> None:
        """Expire confirmations step by step, forever; those that are done by the next step are dropped."""
        while True:
            await asyncio.sleep(self.seconds / STEPS)
            self._old.append([confirmation for confirmation in self._new if not confirmation.done()])
            self._new.clear()
            if len(self._old) > STEPS:
                resolve_all(self._old.popleft(), False)

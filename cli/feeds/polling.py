"""One look at one origin: what was left over first, then what is new."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from msgspec.structs import replace

from cli.feeds.deciding import Outcome
from cli.feeds.delivering import Deliverer
from cli.feeds.fetching import FetchFailed
from cli.feeds.folder import Folder
from cli.feeds.memory import Memory
from shared.contracts.events import Problem
from shared.runtime.clock import Clock


@dataclass
class Poll:
    """How a look went: `result` is `new`, `unchanged`, or why it failed; `counts` says what became of the entries."""

    name: str
    result: str
    counts: Counter[str] = field(default_factory=Counter)
    problems: dict[str, tuple[Problem, ...]] = field(default_factory=dict)
    detail: str = ""

    @property
    def failed(self) -> bool:
        return self.result not in ("new", "unchanged")


class Look(Protocol):
    """Where something new may be."""

    async def __call__(self, memory: Memory) -> Outcome | None:
        """What is to be done, or None if nothing has changed. Raises FetchFailed."""


@dataclass(frozen=True, kw_only=True)
class Poller:
    """Looks again and again; `every_seconds` lie between two looks."""

    name: str
    every_seconds: float
    look: Look
    folder: Folder
    deliverer: Deliverer
    clock: Clock

    async def poll(self) -> Poll:
        """Raises DependencyAway if the door is: what was decided waits in the folder then."""
        memory = await self.deliverer.deliver(self.folder.memory(self.name))
        if memory.not_before is not None and memory.not_before > self.clock():
            return Poll(self.name, "must_wait", detail=f"asked us to wait until {memory.not_before:%H:%M:%S} UTC")
        try:
            outcome = await self.look(memory)
        except FetchFailed as error:
            self._remember(memory, self._failed(memory, error))
            return Poll(self.name, error.reason, detail=str(error))
        if outcome is None:
            self._remember(memory, replace(memory, failures=0, not_before=None))
            return Poll(self.name, "unchanged")
        return await self._deliver(memory, outcome)

    async def _deliver(self, before: Memory, outcome: Outcome) -> Poll:
        after = replace(outcome.memory, failures=0, not_before=None)
        self._remember(before, after)
        await self.deliverer.deliver(after)
        return Poll(self.name, "new", outcome.counts, outcome.problems)

    def _failed(self, memory: Memory, error: FetchFailed) -> Memory:
        wait = timedelta(seconds=error.retry_after) if error.retry_after else None
        return replace(memory, failures=memory.failures + 1, not_before=self.clock() + wait if wait else None)

    def _remember(self, before: Memory, after: Memory) -> None:
        if after != before:
            self.folder.remember(self.name, after)


Report = Callable[[Poll], None]

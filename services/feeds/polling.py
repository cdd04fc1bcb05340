"""Polling of one origin: deliver pending events first, then look for new entries."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Protocol

import structlog
from msgspec.structs import replace

from services.feeds.decisions import PollOutcome
from services.feeds.fetching import FetchFailed
from services.feeds.state import EventDestination, OriginState, StateFolder
from shared.contracts.envelope import read_envelope
from shared.contracts.events import Problem
from shared.runtime.clock import Clock

if TYPE_CHECKING:  # `feeds check` publishes nothing, and needs no broker's driver
    from services.feeds.publisher import NoticePublisher, OpenPublisher

_log = structlog.get_logger()


@dataclass
class PollResult:
    """Result of a poll: `result` is `new`, `unchanged`, or why it failed; `counts` has the entries per outcome."""

    name: str
    result: str
    counts: Counter[str] = field(default_factory=Counter)
    problems: dict[str, tuple[Problem, ...]] = field(default_factory=dict)
    detail: str = ""

    @property
    def failed(self) -> bool:
        return self.result not in ("new", "unchanged")


class PollSource(Protocol):
    """A source that may have new entries."""

    async def __call__(self, memory: OriginState) -> PollOutcome | None:
        """Return the outcome, or None if nothing has changed. Raises FetchFailed."""


@dataclass(frozen=True, kw_only=True)
class Poller:
    """Poller of one origin, to be run every `every_seconds`.

    If the process is killed, pending events are delivered again with the same bytes.
    """

    name: str
    every_seconds: float
    source: PollSource
    folder: StateFolder
    open_publisher: "OpenPublisher"
    clock: Clock

    async def poll(self) -> PollResult:
        """Poll once; raise DependencyUnavailable if it cannot publish: decided events then wait in the folder."""
        memory = await self._deliver(self.folder.read_state(self.name))
        if memory.not_before is not None and memory.not_before > self.clock():
            return PollResult(self.name, "must_wait", detail=f"asked us to wait until {memory.not_before:%H:%M:%S} UTC")
        try:
            outcome = await self.source(memory)
        except FetchFailed as error:
            self._remember(memory, self._record_failure(memory, error))
            return PollResult(self.name, error.reason, detail=str(error))
        if outcome is None:
            self._remember(memory, replace(memory, failures=0, not_before=None))
            return PollResult(self.name, "unchanged")
        after = replace(outcome.memory, failures=0, not_before=None)
        self._remember(memory, after)
        await self._deliver(after)
        return PollResult(self.name, "new", outcome.counts, outcome.problems)

    async def _deliver(self, memory: OriginState) -> OriginState:
        """Deliver all pending events; return the state without them.

        Raises DependencyUnavailable; events confirmed before that are already removed from the saved state.
        """
        while memory.pending:
            for draft in takewhile(lambda one: one.way is EventDestination.DRAFT, memory.pending):
                path = self.folder.save_draft(bytes(draft.event))
                _log.info("feed_draft", feed=self.name, file=str(path))
                memory = self._drop_first(memory)
            if memory.pending:
                async with self.open_publisher() as publisher:
                    memory = await self._publish(memory, publisher)
        return memory

    async def _publish(self, memory: OriginState, publisher: "NoticePublisher") -> OriginState:
        while memory.pending and memory.pending[0].way is EventDestination.DIRECT:
            event = bytes(memory.pending[0].event)
            envelope = read_envelope(event)
            self.folder.save_sent(self.name, event)
            await publisher.publish(event, envelope)
            _log.info("feed_published", feed=self.name, notice=envelope.subject, type=envelope.type)
            memory = self._drop_first(memory)
        return memory

    def _drop_first(self, memory: OriginState) -> OriginState:
        rest = replace(memory, pending=memory.pending[1:])
        self.folder.save_state(self.name, rest)
        return rest

    def _record_failure(self, memory: OriginState, error: FetchFailed) -> OriginState:
        wait = timedelta(seconds=error.retry_after) if error.retry_after else None
        return replace(memory, failures=memory.failures + 1, not_before=self.clock() + wait if wait else None)

    def _remember(self, before: OriginState, after: OriginState) -> None:
        if after != before:
            self.folder.save_state(self.name, after)

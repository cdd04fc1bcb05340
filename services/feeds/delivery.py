"""Delivery of pending events: each is confirmed first and removed from the state afterwards."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import takewhile

import structlog
from msgspec.structs import replace

from services.feeds.publishing.publisher import NoticePublisher, OpenPublisher
from services.feeds.state import EventDestination, OriginState, PendingEvent
from services.feeds.state_folder import StateFolder
from shared.contracts.envelope import read_envelope

_log = structlog.get_logger()


@dataclass
class Deliverer:
    """Deliverer for one origin. If the process is killed, pending events are delivered again with the same bytes."""

    name: str
    folder: StateFolder
    open_publisher: OpenPublisher
    counts: Counter[str] = field(default_factory=Counter)

    async def deliver(self, memory: OriginState) -> OriginState:
        """Deliver all pending events; return the state without them.

        Raises DependencyUnavailable; events confirmed before that are already removed from the saved state.
        """
        while memory.pending:
            drafts = list(takewhile(lambda one: one.way is EventDestination.DRAFT, memory.pending))
            for draft in drafts:
                memory = self._keep_draft(memory, draft)
            if memory.pending:
                async with self.open_publisher() as publisher:
                    memory = await self._publish(memory, publisher)
        return memory

    async def _publish(self, memory: OriginState, publisher: NoticePublisher) -> OriginState:
        while memory.pending and memory.pending[0].way is EventDestination.DIRECT:
            event = bytes(memory.pending[0].event)
            envelope = read_envelope(event)
            self.folder.save_sent(self.name, event)
            await publisher.publish(event, envelope)
            self.counts["delivered"] += 1
            _log.info("feed_published", feed=self.name, notice=envelope.subject, type=envelope.type)
            memory = self._forget_first(memory)
        return memory

    def _keep_draft(self, memory: OriginState, pending: PendingEvent) -> OriginState:
        path = self.folder.save_draft(bytes(pending.event))
        self.counts["drafts_kept"] += 1
        _log.info("feed_draft", feed=self.name, file=str(path))
        return self._forget_first(memory)

    def _forget_first(self, memory: OriginState) -> OriginState:
        rest = replace(memory, pending=memory.pending[1:])
        self.folder.save_state(self.name, rest)
        return rest

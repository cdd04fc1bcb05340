"""What was decided reaches its place: confirmed first, forgotten afterwards."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import takewhile

import structlog
from msgspec.structs import replace

from cli.doors.door import Door, OpenDoor, Refused
from cli.feeds.folder import Folder
from cli.feeds.memory import Memory, Pending, Way
from shared.contracts.envelope import read_envelope
from shared.contracts.events import Problem

_log = structlog.get_logger()


@dataclass
class Deliverer:
    """For one origin. A kill at any moment leaves what is pending to be delivered again with the same bytes."""

    name: str
    folder: Folder
    open_door: OpenDoor
    counts: Counter[str] = field(default_factory=Counter)

    async def deliver(self, memory: Memory) -> Memory:
        """What is left of it, which is nothing. Raises DependencyAway, with everything confirmed so far forgotten."""
        while memory.pending:
            drafts = list(takewhile(lambda one: one.way is Way.DRAFT, memory.pending))
            for draft in drafts:
                memory = self._keep_draft(memory, draft)
            if memory.pending:
                async with self.open_door() as door:
                    memory = await self._publish(memory, door)
        return memory

    async def _publish(self, memory: Memory, door: Door) -> Memory:
        while memory.pending and memory.pending[0].way is Way.DOOR:
            event = bytes(memory.pending[0].event)
            envelope = read_envelope(event)
            self.folder.keep_sent(self.name, event)
            try:
                await door.publish(event, envelope)
            except Refused as error:
                self._refused(event, error.problems)
            else:
                self.counts["delivered"] += 1
                _log.info("feed_published", feed=self.name, notice=envelope.subject, type=envelope.type)
            memory = self._forget_first(memory)
        return memory

    def _keep_draft(self, memory: Memory, pending: Pending) -> Memory:
        path = self.folder.keep_draft(bytes(pending.event))
        self.counts["drafts_kept"] += 1
        _log.info("feed_draft", feed=self.name, file=str(path))
        return self._forget_first(memory)

    def _refused(self, event: bytes, problems: tuple[Problem, ...]) -> None:
        path = self.folder.keep_refused(event, problems, self.name)
        self.folder.answered(read_envelope(event).id)
        self.counts["door_refused"] += 1
        _log.error("feed_refused", feed=self.name, file=str(path), fields=[problem.field for problem in problems])

    def _forget_first(self, memory: Memory) -> Memory:
        rest = replace(memory, pending=memory.pending[1:])
        self.folder.remember(self.name, rest)
        return rest

"""The broker as the place where events are stored."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from uuid import uuid4

import structlog

from services.ingress.adapters.deadlines import Deadlines
from services.ingress.adapters.group_commit import GroupCommit, Limits, answer_all
from services.ingress.adapters.metrics import KINDS, Metrics
from services.ingress.domain.findings import Event
from services.ingress.domain.groups import GROUPS
from services.ingress.domain.slices import MOST_BYTES, MOST_EVENTS, Packed, Slice, data_of, size_of
from services.ingress.domain.words import WORDS, add_up, is_harmless
from services.ingress.ports import NotStored
from shared.amqp.publisher import PatientPublisher
from shared.amqp.topology import INBOUND
from shared.contracts.envelope import enclose
from shared.contracts.inbound import WebhookQuarantined
from shared.contracts.message import Message
from shared.outcome import DependencyAway, Unroutable
from shared.runtime.background import background
from shared.runtime.clock import Clock

SOURCE = "/kreisfunk/ingress"
GROUPS_IN_FLIGHT = 2
GROUP = Limits(events=MOST_EVENTS, size=MOST_BYTES, beside=24)
ALONE = Limits(events=1, size=0)
STORE_SECONDS = 2.0
MOST_WAITING_WEBHOOKS = 2_000
MOST_WAITING_BYTES = 64 * 1024 * 1024
MOST_MENTIONED = 100

_log = structlog.get_logger()
Publish = Callable[[type[Event], Sequence[Slice]], Awaitable[None]]


@dataclass
class GroupedOutbox:
    """Events by type, each type in groups of its own."""

    groups: Mapping[type[Event], GroupCommit]
    deadlines: Deadlines = field(default_factory=lambda: Deadlines(STORE_SECONDS))
    _webhooks: int = field(default=0, init=False)
    _bytes: int = field(default=0, init=False)

    async def store(self, packed: Packed) -> None:
        """Return when every group that holds one of the slices is confirmed. Raises NotStored."""
        if self._webhooks >= MOST_WAITING_WEBHOOKS or self._bytes >= MOST_WAITING_BYTES:
            raise NotStored("too much is waiting")
        size = size_of(packed)
        submitted = [answer for kind, slices in packed.items() for answer in self.groups[kind].submit(slices)]
        self.deadlines.watch(submitted)
        self._webhooks += 1
        self._bytes += size
        try:
            for stored in submitted:
                if not await stored:
                    raise NotStored("the broker did not confirm in time")
        finally:
            self._webhooks -= 1
            self._bytes -= size
            answer_all(submitted, False)  # what no group holds yet is not published any more


@dataclass(frozen=True, kw_only=True)
class BrokerGroups:
    """Makes a group one AMQP message."""

    publisher: PatientPublisher
    clock: Clock
    metrics: Metrics
    mentioned: set[str] = field(default_factory=set)

    async def publish(self, kind: type[Event], slices: Sequence[Slice]) -> None:
        """Return when the broker has confirmed. Raises NotStored."""
        started = time.monotonic()
        events = sum(each.events for each in slices)
        try:
            await self._publish(GROUPS[kind], data_of(kind, slices))
        except (DependencyAway, Unroutable) as error:
            _log.warning("group_not_stored", kind=KINDS[kind], events=events, error=str(error))
            raise NotStored("the broker did not confirm") from None
        self.metrics.confirmed(kind, events, time.monotonic() - started)
        words = add_up(each.words for each in slices)
        self.metrics.words(kind, words)
        self._mention(kind, words)

    async def _publish(self, message: type[Message], data: bytes) -> None:
        identifier = str(uuid4())
        body = enclose(message, data, event_id=identifier, source=SOURCE, time=self.clock())
        await self.publisher.current().publish(INBOUND, message.KEY, body, message_id=identifier)

    def _mention(self, kind: type[Event], words: Iterable[str]) -> None:
        """Once for each word of Meta's that is new to us, and for not too many."""
        for word in words:
            if word not in WORDS[kind].known and word not in self.mentioned and len(self.mentioned) < MOST_MENTIONED:
                self.mentioned.add(word)
                _log.warning("unknown_word", kind=KINDS[kind], word=word if is_harmless(word) else "")


@asynccontextmanager
async def open_outbox(publish: Publish) -> AsyncIterator[GroupedOutbox]:
    """An outbox whose groups are being published until the block ends."""
    groups = {
        kind: GroupCommit(publish=partial(publish, kind), limits=ALONE if kind is WebhookQuarantined else GROUP)
        for kind in KINDS
    }
    works = [group.work() for group in groups.values() for _ in range(GROUPS_IN_FLIGHT)]
    outbox = GroupedOutbox(groups)
    async with background(*works, outbox.deadlines.work()):
        yield outbox

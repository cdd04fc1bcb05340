"""Storage of webhook events in the broker."""

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from uuid import uuid4

import structlog

from services.ingress.webhook.events import (
    GROUP_TYPES,
    KNOWN_LABELS,
    MAX_GROUP_BYTES,
    MAX_GROUP_EVENTS,
    Chunk,
    EncodedEvents,
    Event,
    join_chunks,
    sum_counts,
)
from services.ingress.webhook.group_commit import Deadlines, GroupCommit, GroupLimits, resolve_all
from services.ingress.webhook.metrics import EVENT_KINDS, Metrics
from services.ingress.webhook.receiver import NotStored
from shared.amqp.publisher import ReconnectingPublisher
from shared.amqp.topology import INBOUND
from shared.contracts.envelope import wrap_data
from shared.contracts.inbound import WebhookQuarantined
from shared.contracts.message import Message
from shared.outcome import DependencyUnavailable
from shared.runtime.background import run_in_background
from shared.runtime.clock import Clock

SOURCE = "/kreisfunk/ingress"
MAX_GROUPS_IN_FLIGHT = 2
GROUP_LIMITS = GroupLimits(events=MAX_GROUP_EVENTS, size=MAX_GROUP_BYTES, flush_threshold=24)
SINGLE_EVENT_LIMITS = GroupLimits(events=1, size=0)
STORE_TIMEOUT_SECONDS = 2.0
MAX_WAITING_WEBHOOKS = 2_000
MAX_WAITING_BYTES = 64 * 1024 * 1024
MAX_LOGGED_LABELS = 100

_LOGGABLE = re.compile(r"[a-z_]{1,40}")  # can only be an identifier of Meta's, never personal data
_log = structlog.get_logger()
PublishChunks = Callable[[type[Event], Sequence[Chunk]], Awaitable[None]]


@dataclass
class GroupedOutbox:
    """Broker implementation of `receiver.Outbox`; groups contain events of one type only."""

    groups: Mapping[type[Event], GroupCommit]
    deadlines: Deadlines = field(default_factory=lambda: Deadlines(STORE_TIMEOUT_SECONDS))
    _webhooks: int = field(default=0, init=False)
    _bytes: int = field(default=0, init=False)

    async def store(self, encoded: EncodedEvents) -> None:
        """Return when every group with one of the chunks is confirmed. Raises NotStored."""
        if self._webhooks >= MAX_WAITING_WEBHOOKS or self._bytes >= MAX_WAITING_BYTES:
            raise NotStored("too much is waiting")
        size = sum([len(chunk.json) for chunks in encoded.values() for chunk in chunks])
        confirmations = [future for kind, chunks in encoded.items() for future in self.groups[kind].submit(chunks)]
        self.deadlines.watch(confirmations)
        self._webhooks += 1
        self._bytes += size
        try:
            for stored in confirmations:
                if not await stored:
                    raise NotStored("the broker did not confirm in time")
        finally:
            self._webhooks -= 1
            self._bytes -= size
            resolve_all(confirmations, False)  # withdraws chunks that no group holds yet


@dataclass(frozen=True, kw_only=True)
class GroupPublisher:
    """Publisher of a group as one AMQP message."""

    publisher: ReconnectingPublisher
    clock: Clock
    metrics: Metrics
    logged_labels: set[str] = field(default_factory=set)

    async def publish(self, event_type: type[Event], chunks: Sequence[Chunk]) -> None:
        """Publish a group and return when the broker has confirmed. Raises NotStored."""
        started = time.monotonic()
        events = sum(chunk.events for chunk in chunks)
        try:
            await self._publish(GROUP_TYPES[event_type], join_chunks(event_type, chunks))
        except DependencyUnavailable as error:
            _log.warning("group_not_stored", kind=EVENT_KINDS[event_type], events=events, error=str(error))
            raise NotStored("the broker did not confirm") from None
        self.metrics.record_confirm(event_type, events, time.monotonic() - started)
        counts = sum_counts(chunk.labels for chunk in chunks)
        self.metrics.count_events_by_label(event_type, counts)
        self._log_unknown(event_type, counts)

    async def _publish(self, message: type[Message], data: bytes) -> None:
        identifier = str(uuid4())
        body = wrap_data(message, data, event_id=identifier, source=SOURCE, time=self.clock())
        await self.publisher.get_publisher().publish(INBOUND, message.KEY, body, message_id=identifier)

    def _log_unknown(self, event_type: type[Event], labels: Iterable[str]) -> None:
        """Log each unknown label of Meta's once, up to a limit."""
        for label in labels:
            if (
                label not in KNOWN_LABELS[event_type].known
                and label not in self.logged_labels
                and len(self.logged_labels) < MAX_LOGGED_LABELS
            ):
                self.logged_labels.add(label)
                word = label if _LOGGABLE.fullmatch(label) else ""
                _log.warning("unknown_word", kind=EVENT_KINDS[event_type], word=word)


@asynccontextmanager
async def open_outbox(publish: PublishChunks) -> AsyncIterator[GroupedOutbox]:
    """Yield an outbox that publishes its groups until the block ends."""
    groups = {
        kind: GroupCommit(
            publish=partial(publish, kind), limits=SINGLE_EVENT_LIMITS if kind is WebhookQuarantined else GROUP_LIMITS
        )
        for kind in EVENT_KINDS
    }
    workers = [group.work() for group in groups.values() for _ in range(MAX_GROUPS_IN_FLIGHT)]
    outbox = GroupedOutbox(groups)
    async with run_in_background(*workers, outbox.deadlines.work()):
        yield outbox

"""The handlers of one replica on a real database, with a publisher that records and fails on request."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from services.subscriptions.adapters.metrics import Metrics
from services.subscriptions.domain.county import County
from services.subscriptions.domain.feedback import AuthorKey
from services.subscriptions.domain.publication import Destination, Publication
from services.subscriptions.wiring import Handlers, Keys, assemble
from shared.amqp import topology
from shared.contracts.dispatch import BroadcastBatch, ReplyRequested
from shared.contracts.envelope import CONTENT_TYPE, decode, encode
from shared.contracts.inbound import (
    IdentityChange,
    IdentityChanges,
    InboundMessage,
    InboundMessages,
    PreferenceChange,
    PreferenceChanges,
)
from shared.contracts.message import Addresses, Message
from shared.database.pool import Database
from shared.encryption import KeyRing
from shared.outcome import DependencyUnavailable, Done
from tests.contract_recorder.message_checks import PERSISTENT, TracedMessage, find_problems
from tests.factories.citizens import COUNTY, NOON, build_message, build_time

ROLE = "kreisfunk_subscriptions"
RATE = 80
KEYS = Keys(author=AuthorKey(bytes(range(32))), dead_letters=KeyRing.parse(f"1:{b64encode(bytes(range(32))).decode()}"))
EXCHANGES = {Destination.DISPATCH: topology.DISPATCH, Destination.EVENTS: topology.EVENTS}
M = TypeVar("M", bound=Message)


_SUBSCRIBERS = """
    insert into subscriptions.subscriber (id, sequence, state, phone_index, phone_sealed)
    select ('01900000-0000-8000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 1, 'subscribed',
        decode(lpad(to_hex(n), 32, '0'), 'hex'), '\\x01ff'
    from generate_series(1, $1) n
"""
_TOPIC = """
    insert into subscriptions.subscription (topic, subscriber_id)
    select 'strassensperrungen', id from subscriptions.subscriber
"""


async def subscribe_many(owner: asyncpg.Connection, number: int) -> None:
    """Subscribe this many people to a topic."""
    await owner.execute(_SUBSCRIBERS, number)
    await owner.execute(_TOPIC)
    await owner.execute("analyze subscriptions.subscriber, subscriptions.subscription")


@dataclass
class RecordingEventPublisher:
    """Records what is published, which must follow the contracts.

    `refuse` says which publication fails before, `lose` which after it arrived.
    """

    published: list[Publication] = field(default_factory=list)
    refuse: Callable[[Publication], bool] = lambda _: False
    lose: Callable[[Publication], bool] = lambda _: False

    async def publish(self, publication: Publication) -> None:
        if self.refuse(publication):
            raise DependencyUnavailable("refused")
        assert list(find_problems(_build_published(publication))) == []
        self.published.append(publication)
        if self.lose(publication):
            raise DependencyUnavailable("the confirm was lost")

    @contextmanager
    def failing(self, key: str | None = None, *, arrives: bool = False) -> Iterator[None]:
        """Fail for what has this key, or for all, before or after it `arrives`; the block has to fail with it."""
        failure = "lose" if arrives else "refuse"
        setattr(self, failure, lambda publication: key in (None, publication.key))
        with pytest.raises(DependencyUnavailable):
            yield
        setattr(self, failure, lambda _: False)

    def list_messages(self, kind: type[M]) -> list[M]:
        """All messages of a kind in the order of publishing."""
        found = [decode(publication.body) for publication in self.published]
        return [message for message in found if isinstance(message, kind)]

    def list_pages(self) -> list[BroadcastBatch]:
        return self.list_messages(BroadcastBatch)


@dataclass
class SubscriptionsHarness:
    """One replica. `now` is its clock."""

    database: Database
    publisher: RecordingEventPublisher
    parts: Handlers
    registry: CollectorRegistry
    metrics: Metrics
    now: datetime = NOON

    def use(self, county: County) -> None:
        """Validate notices by another file from now on."""
        self.parts = replace(self.parts, notices=replace(self.parts.notices, county=county))

    async def receive(self, *messages: InboundMessage) -> None:
        await self._receive_group(InboundMessages(messages=messages))

    async def receive_preferences(self, *changes: PreferenceChange, arrived_at: datetime | None = None) -> None:
        await self._receive_group(PreferenceChanges(changes=changes), arrived_at)

    async def receive_moves(self, *changes: IdentityChange) -> None:
        await self._receive_group(IdentityChanges(changes=changes))

    async def _receive_group(self, group: Message, arrived_at: datetime | None = None) -> None:
        body = encode(group, event_id="group", source="/kreisfunk/ingress", time=arrived_at or self.now)
        assert await self.parts.inbound.handle(body) == Done()

    async def send_texts(self, *texts: str, sender: Addresses | None = None, start: float = 0) -> None:
        """Send one text a second, from `start` on."""
        for number, text in enumerate(texts):
            await self.receive(build_message(text, sender=sender, seconds=start + number))

    def list_reply_texts(self) -> list[str]:
        return [reply.text for reply in self.publisher.list_messages(ReplyRequested)]

    async def expand(self) -> None:
        """Expand until nothing is left."""
        while await self.parts.expander.expand_next():
            pass

    async def fetch_rows(self, query: str, *arguments: object) -> list[tuple[object, ...]]:
        async with self.database.connection() as connection:
            return [tuple(row) for row in await connection.fetch(query, *arguments)]

    def read_metric(self, name: str, **labels: str) -> float:
        value = self.registry.get_sample_value(name, labels)
        assert value is not None, "what is 0 must be there, else no alert sees it"
        return value


def _build_published(publication: Publication) -> TracedMessage:
    """Return it as the broker would get it."""
    return TracedMessage(
        exchange=EXCHANGES[publication.destination],
        key=publication.key,
        login="subscriptions",
        body=publication.body,
        properties={"content_type": CONTENT_TYPE, "delivery_mode": PERSISTENT},
    )


def encode_group(messages: Iterable[InboundMessage]) -> bytes:
    return encode(InboundMessages(messages=tuple(messages)), event_id="group", source="/kreisfunk/ingress", time=NOON)


def build_harness(database: Database, *, seconds: float = 1) -> SubscriptionsHarness:
    registry = CollectorRegistry()
    publisher = RecordingEventPublisher()
    harness: SubscriptionsHarness
    metrics = Metrics(registry)
    parts = assemble(
        database, publisher, COUNTY, metrics, keys=KEYS, messages_per_second=RATE, clock=lambda: harness.now
    )
    # Few pages at a time, so that a few thousand subscribers are many steps.
    small = replace(parts.expander, pages_ahead=4, rounds=0)
    harness = SubscriptionsHarness(
        database, publisher, replace(parts, expander=small), registry, metrics, now=build_time(seconds)
    )
    return harness

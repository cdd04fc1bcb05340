"""The handlers of one replica on a real database, with an outlet that records and fails on request."""

from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

import msgspec
from prometheus_client import CollectorRegistry

from services.subscriptions.adapters.metrics import Metrics
from services.subscriptions.domain.county import County
from services.subscriptions.domain.feedback import AuthorKey
from services.subscriptions.domain.publication import Destination, Publication
from services.subscriptions.wiring import Keys, Parts, assemble
from shared.amqp import topology
from shared.contracts.dispatch import BroadcastBatch
from shared.contracts.envelope import CONTENT_TYPE, decode, encode
from shared.contracts.inbound import InboundMessage, InboundMessages, PreferenceChange, PreferenceChanges
from shared.contracts.message import Message
from shared.database.pool import Database
from shared.municipal.systems import System
from shared.outcome import DependencyAway, Done
from shared.sealing import KeyRing
from tests.tap.rules import PERSISTENT, Published, problems
from tests.unit.subscriptions.material import COUNTY, NOON, at

RATE = 80
KEYS = Keys(author=AuthorKey(bytes(range(32))), dead_letters=KeyRing.parse(f"1:{b64encode(bytes(range(32))).decode()}"))
EXCHANGES = {Destination.DISPATCH: topology.DISPATCH, Destination.EVENTS: topology.EVENTS}
M = TypeVar("M", bound=Message)


@dataclass
class RecordingOutlet:
    """Keeps what is published, which must be as the contracts say.

    `refuse` says which publication fails before, `lose` which after it arrived.
    """

    published: list[Publication] = field(default_factory=list)
    refuse: Callable[[Publication], bool] = lambda _: False
    lose: Callable[[Publication], bool] = lambda _: False

    async def publish(self, publication: Publication) -> None:
        if self.refuse(publication):
            raise DependencyAway("refused")
        assert list(problems(_on_its_way(publication))) == []
        self.published.append(publication)
        if self.lose(publication):
            raise DependencyAway("the confirm was lost")

    def messages(self, kind: type[M]) -> list[M]:
        """All messages of a kind in the order of publishing."""
        found = [decode(publication.body) for publication in self.published]
        return [message for message in found if isinstance(message, kind)]

    def pages(self) -> list[BroadcastBatch]:
        return self.messages(BroadcastBatch)


@dataclass
class Stand:
    """One replica. `now` is its clock."""

    database: Database
    outlet: RecordingOutlet
    parts: Parts
    registry: CollectorRegistry
    metrics: Metrics
    now: datetime = NOON

    def use(self, county: County) -> None:
        """From now on notices are judged by another file."""
        self.parts = replace(self.parts, desk=replace(self.parts.desk, county=county))

    async def receive(self, *messages: InboundMessage) -> None:
        assert await self.parts.inbound.handle(group(messages)) == Done()

    async def receive_preferences(self, *changes: PreferenceChange) -> None:
        body = encode(PreferenceChanges(changes=changes), event_id="p", source="/kreisfunk/ingress", time=NOON)
        assert await self.parts.inbound.handle(body) == Done()

    async def rows(self, query: str, *arguments: object) -> list[tuple[object, ...]]:
        async with self.database.connection() as connection:
            return [tuple(row) for row in await connection.fetch(query, *arguments)]

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


def _on_its_way(publication: Publication) -> Published:
    """As the broker would get it."""
    return Published(
        exchange=EXCHANGES[publication.destination],
        key=publication.key,
        login="subscriptions",
        body=publication.body,
        properties={"content_type": CONTENT_TYPE, "delivery_mode": PERSISTENT},
    )


def county_of(county: County, *systems: System) -> County:
    """With more systems."""
    return msgspec.structs.replace(county, systems=(*county.systems, *systems))


def group(messages: Iterable[InboundMessage]) -> bytes:
    return encode(InboundMessages(messages=tuple(messages)), event_id="group", source="/kreisfunk/ingress", time=NOON)


def stand_on(database: Database, *, seconds: float = 1) -> Stand:
    registry = CollectorRegistry()
    outlet = RecordingOutlet()
    stand: Stand
    metrics = Metrics(registry)
    parts = assemble(database, outlet, COUNTY, metrics, keys=KEYS, messages_per_second=RATE, clock=lambda: stand.now)
    # Few pages at a time, so that a few thousand people are many turns.
    small = replace(parts.expander, pages_ahead=4, rounds=0)
    stand = Stand(database, outlet, replace(parts, expander=small), registry, metrics, now=at(seconds))
    return stand

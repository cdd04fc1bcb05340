"""Every exchange and queue there is. `kreisfunk migrate` declares them; services only look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel

from shared.contracts.message import Lane

MUNICIPAL_EVENTS = "municipal.events"
API_NOTICES = "notices.api"
INBOUND = "whatsapp.inbound"
DISPATCH = "dispatch"
EVENTS = "kreisfunk.events"
DEAD = "kreisfunk.dead"

TIERS: Mapping[str, float] = {"1s": 1.0, "10s": 10.0, "1m": 60.0, "10m": 600.0}
DELIVERY_LIMIT = 50
LANE_BATCHES = 20


@dataclass(frozen=True)
class Queue:
    """A queue with its dead-letter queue, and its delay tiers if `owner` may park messages.

    `owner` is the service that consumes it. A queue with `max_length` or `max_bytes` refuses what is published beyond
    it. One with `max_dead` keeps only the newest dead letters, `max_bytes` of them: strangers may make some.
    """

    name: str
    exchange: str
    keys: tuple[str, ...]
    owner: str
    max_length: int | None = None
    max_bytes: int | None = None
    max_dead: int | None = None

    @property
    def parking(self) -> str:
        """The exchange through which the owner reaches the delay tiers and the dead-letter queue."""
        return f"{self.owner}.parking"

    @property
    def quarantine(self) -> str:
        """Where the owner keeps what it has rejected; not every owner does."""
        return f"{self.owner}.quarantine"

    @property
    def dead(self) -> str:
        return f"{self.name}.dead"

    def tier(self, name: str) -> str:
        return f"{self.name}.retry.{name}"


SUBSCRIPTIONS_INBOUND = Queue(
    "subscriptions.inbound", INBOUND, ("messages", "preferences", "identities"), "subscriptions"
)
# What citizens said does not wait there for a person: the service seals it and keeps it where it is erased.
SUBSCRIPTIONS_DEAD = Queue(SUBSCRIPTIONS_INBOUND.dead, DEAD, (), "subscriptions")
# Whatever one system publishes over AMQP, another one's notices over HTTP go their own way.
SUBSCRIPTIONS_NOTICES = Queue(
    "subscriptions.notices",
    MUNICIPAL_EVENTS,
    ("notice.#",),
    "subscriptions",
    max_length=500,
    max_bytes=16_000_000,
    max_dead=1_000,
)
SUBSCRIPTIONS_API_NOTICES = Queue(
    "subscriptions.api-notices", API_NOTICES, ("notice.#",), "subscriptions", max_length=10_000, max_bytes=64_000_000
)
SUBSCRIPTIONS_REACTIONS = Queue("subscriptions.reactions", EVENTS, ("reaction.located",), "subscriptions")
SUBSCRIPTIONS_REFUSALS = Queue("subscriptions.refusals", EVENTS, ("delivery.refused",), "subscriptions")
DISPATCHER_STATUSES = Queue("dispatcher.statuses", INBOUND, ("statuses",), "dispatcher")
DISPATCHER_ACCOUNT = Queue("dispatcher.account", INBOUND, ("account",), "dispatcher")
DISPATCHER_STOPS = Queue("dispatcher.stops", EVENTS, ("subscription.ended", "broadcast.cancelled"), "dispatcher")
DISPATCHER_PEOPLE = Queue("dispatcher.people", EVENTS, ("subscriber.erased", "reaction.received"), "dispatcher")
DISPATCHER_QUESTIONS = Queue("dispatcher.questions", EVENTS, ("notice.accepted",), "dispatcher")
LANES: Mapping[Lane, Queue] = {
    Lane.REPLY: Queue("dispatch.reply", DISPATCH, (Lane.REPLY,), "dispatcher"),
    Lane.URGENT: Queue("dispatch.urgent", DISPATCH, (Lane.URGENT,), "dispatcher", LANE_BATCHES),
    Lane.BULK: Queue("dispatch.bulk", DISPATCH, (Lane.BULK,), "dispatcher", LANE_BATCHES),
}
QUARANTINE = "ingress.quarantine"
# As long as citizens' dead letters. What is sealed as a whole cannot be found by whom it is of, so "Löschen" does not
# reach it: it may name somebody, and ends by itself.
QUARANTINE_KEPT = timedelta(days=7)
PROGRESS = "municipal.progress"
ANSWERS = "municipal.answers"
NOTICES_QUARANTINE = "subscriptions.quarantine"
MOST_IN_QUARANTINE = 10_000
MOST_BYTES_IN_QUARANTINE = 64_000_000

# Where wait for a person: what nobody of us could understand.
QUARANTINES: Sequence[str] = (QUARANTINE, NOTICES_QUARANTINE)

# Looking at a dead letter gives it back, and must not use it up.
_KEPT: dict[str, Any] = {"x-queue-type": "quorum", "x-delivery-limit": -1}

# Rejecting a message without requeueing brings it back to where it came from, with everything that it had.
_REJECTED: dict[str, Any] = {
    **_KEPT,
    "x-max-length": MOST_IN_QUARANTINE,
    "x-max-length-bytes": MOST_BYTES_IN_QUARANTINE,
    "x-overflow": "reject-publish",
    "x-dead-letter-exchange": "",
    "x-dead-letter-routing-key": SUBSCRIPTIONS_NOTICES.name,
    "x-dead-letter-strategy": "at-least-once",
}


@dataclass(frozen=True)
class Stream:
    """Messages that each reader reads for itself, also again; `keys` are those of each exchange."""

    name: str
    keys: Mapping[str, Sequence[str]]
    max_bytes: int

    @property
    def arguments(self) -> dict[str, Any]:
        return {
            "x-queue-type": "stream",
            "x-max-age": "14D",
            "x-max-length-bytes": self.max_bytes,
            "x-stream-max-segment-size-bytes": self.max_bytes // 25,
        }


_SAID: Mapping[str, Sequence[str]] = {EVENTS: ("notice.*", "broadcast.*")}
STREAMS: Sequence[Stream] = (
    Stream(PROGRESS, {API_NOTICES: ("notice.#",), **_SAID}, 500_000_000),  # for the notices API
    Stream(ANSWERS, _SAID, 100_000_000),  # for municipal systems
)

QUEUES: Sequence[Queue] = (
    SUBSCRIPTIONS_INBOUND,
    SUBSCRIPTIONS_NOTICES,
    SUBSCRIPTIONS_API_NOTICES,
    SUBSCRIPTIONS_REACTIONS,
    SUBSCRIPTIONS_REFUSALS,
    DISPATCHER_STATUSES,
    DISPATCHER_ACCOUNT,
    DISPATCHER_STOPS,
    DISPATCHER_PEOPLE,
    DISPATCHER_QUESTIONS,
    *LANES.values(),
)


async def declare(channel: AbstractChannel) -> None:
    """Declare everything; safe to repeat.

    Raises ChannelPreconditionFailed if a queue exists with other arguments: drain and delete it first.
    """
    for name in (MUNICIPAL_EVENTS, API_NOTICES, INBOUND, EVENTS):
        await channel.declare_exchange(name, aio_pika.ExchangeType.TOPIC, durable=True)
    for name in (DISPATCH, DEAD):
        await channel.declare_exchange(name, aio_pika.ExchangeType.DIRECT, durable=True)
    for queue in QUEUES:
        await _declare_queue(channel, queue)
    kept = {**_KEPT, "x-message-ttl": int(QUARANTINE_KEPT.total_seconds() * 1000)}
    quarantine = await channel.declare_queue(QUARANTINE, durable=True, arguments=kept)
    await quarantine.bind(INBOUND, "quarantined")
    for stream in STREAMS:
        readable = await channel.declare_queue(stream.name, durable=True, arguments=stream.arguments)
        for exchange, keys in stream.keys.items():
            for key in keys:
                await readable.bind(exchange, key)
    rejected = await channel.declare_queue(NOTICES_QUARANTINE, durable=True, arguments=_REJECTED)
    await rejected.bind(SUBSCRIPTIONS_NOTICES.parking, NOTICES_QUARANTINE)


async def _declare_queue(channel: AbstractChannel, queue: Queue) -> None:
    await channel.declare_exchange(queue.parking, aio_pika.ExchangeType.DIRECT, durable=True)
    dead = await channel.declare_queue(queue.dead, durable=True, arguments=_dead_arguments(queue))
    await dead.bind(DEAD, queue.dead)
    await dead.bind(queue.parking, queue.dead)
    declared = await channel.declare_queue(queue.name, durable=True, arguments=_arguments(queue))
    for key in queue.keys:
        await declared.bind(queue.exchange, key)
    for name, seconds in TIERS.items():
        tier = await channel.declare_queue(queue.tier(name), durable=True, arguments=_tier_arguments(queue, seconds))
        await tier.bind(queue.parking, queue.tier(name))


def _arguments(queue: Queue) -> dict[str, Any]:
    bounds = {"x-max-length": queue.max_length, "x-max-length-bytes": queue.max_bytes}
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": DEAD,
        "x-dead-letter-routing-key": queue.dead,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        **{name: most for name, most in bounds.items() if most},
    }


def _dead_arguments(queue: Queue) -> dict[str, Any]:
    if queue.max_dead is None:
        return _KEPT
    return {**_KEPT, "x-max-length": queue.max_dead, "x-max-length-bytes": queue.max_bytes}


def _tier_arguments(queue: Queue, seconds: float) -> dict[str, Any]:
    return {
        "x-queue-type": "quorum",
        "x-message-ttl": int(seconds * 1000),
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": queue.name,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }

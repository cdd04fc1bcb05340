"""All exchanges, queues and streams. `kreisfunk migrate` declares them; services never change them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel

from shared.contracts.message import Lane

MUNICIPAL_EVENTS = "municipal.events"
API_NOTICES = "notices.api"
INBOUND = "whatsapp.inbound"
DISPATCH = "dispatch"
EVENTS = "kreisfunk.events"
DEAD_LETTERS = "kreisfunk.dead"
EXCHANGES: Mapping[str, ExchangeType] = {
    MUNICIPAL_EVENTS: ExchangeType.TOPIC,
    API_NOTICES: ExchangeType.TOPIC,
    INBOUND: ExchangeType.TOPIC,
    DISPATCH: ExchangeType.DIRECT,
    EVENTS: ExchangeType.TOPIC,
    DEAD_LETTERS: ExchangeType.DIRECT,
}

RETRY_TIERS: Mapping[str, float] = {"1s": 1.0, "10s": 10.0, "1m": 60.0, "10m": 600.0}
DELIVERY_LIMIT = 50
MAX_LANE_BATCHES = 20


@dataclass(frozen=True)
class Queue:
    """Queue with its dead-letter queue and its delay tiers for retries.

    `owner` is the service that consumes it. A queue with `max_length` or `max_bytes` refuses messages beyond that. One
    with `max_dead_letters` keeps only the newest dead letters, at most `max_bytes` of them, since outsiders may cause
    some. One that `drops_oldest` refuses nothing: no publisher waits for its owner, which may not even run. Messages
    older than `max_age` are dropped. With `has_citizens_words`, dead letters are dropped after QUARANTINE_MAX_AGE.
    """

    name: str
    exchange: str
    keys: tuple[str, ...]
    owner: str
    max_length: int | None = None
    max_bytes: int | None = None
    max_dead_letters: int | None = None
    drops_oldest: bool = False
    max_age: timedelta | None = None
    has_citizens_words: bool = False

    @property
    def retry_exchange(self) -> str:
        """Return the exchange through which the owner publishes to the delay tiers and the dead-letter queue."""
        return f"{self.owner}.retry"

    @property
    def quarantine(self) -> str:
        """Return the name of the queue for the owner's rejected messages, which not every owner has."""
        return f"{self.owner}.quarantine"

    @property
    def dead_letter_queue(self) -> str:
        return f"{self.name}.dead"

    @property
    def has_bounded_retries(self) -> bool:
        """Return whether each delay tier has the queue's own bounds, since outsiders may cause retries."""
        return self.max_dead_letters is not None

    def name_retry_queue(self, tier: str) -> str:
        return f"{self.name}.retry.{tier}"


SUBSCRIPTIONS_INBOUND = Queue(
    "subscriptions.inbound", INBOUND, ("messages", "preferences", "identities"), "subscriptions"
)
# Citizens' messages do not wait here for an operator: the service stores them encrypted, where erasure covers them.
SUBSCRIPTIONS_DEAD_LETTERS = Queue(SUBSCRIPTIONS_INBOUND.dead_letter_queue, DEAD_LETTERS, (), "subscriptions")
# Separate queues, so that one system's notices over AMQP cannot block another's over HTTP.
SUBSCRIPTIONS_NOTICES = Queue(
    "subscriptions.notices",
    MUNICIPAL_EVENTS,
    ("notice.#",),
    "subscriptions",
    max_length=500,
    max_bytes=16_000_000,
    max_dead_letters=1_000,
)
SUBSCRIPTIONS_API_NOTICES = Queue(
    "subscriptions.api-notices", API_NOTICES, ("notice.#",), "subscriptions", max_length=10_000, max_bytes=64_000_000
)
SUBSCRIPTIONS_REACTIONS = Queue("subscriptions.reactions", EVENTS, ("reaction.located",), "subscriptions")
SUBSCRIPTIONS_UNDELIVERABLE = Queue("subscriptions.undeliverable", EVENTS, ("delivery.refused",), "subscriptions")
DISPATCHER_STATUSES = Queue("dispatcher.statuses", INBOUND, ("statuses",), "dispatcher")
DISPATCHER_ACCOUNT = Queue("dispatcher.account", INBOUND, ("account",), "dispatcher")
DISPATCHER_SUPPRESSIONS = Queue(
    "dispatcher.suppressions", EVENTS, ("subscription.ended", "broadcast.cancelled"), "dispatcher"
)
DISPATCHER_ERASURES = Queue("dispatcher.erasures", EVENTS, ("subscriber.erased", "reaction.received"), "dispatcher")
DISPATCHER_PROGRESS_REQUESTS = Queue("dispatcher.progress-requests", EVENTS, ("notice.accepted",), "dispatcher")
NEWSROOM_EVENTS = Queue(
    "newsroom.events",
    EVENTS,
    (
        "notice.accepted",
        "notice.rejected",
        "broadcast.started",
        "broadcast.progressed",
        "broadcast.finished",
        "broadcast.cancelled",
        "subscription.started",
        "subscription.changed",
        "subscription.ended",
        "feedback.received",
        "feedback.erased",
    ),
    "newsroom",
    max_length=200_000,
    max_bytes=200_000_000,
    drops_oldest=True,
    max_age=timedelta(days=14),
    has_citizens_words=True,
)
LANES: Mapping[Lane, Queue] = {
    # The answer to "Daten" quotes feedback.
    Lane.REPLY: Queue("dispatch.reply", DISPATCH, (Lane.REPLY,), "dispatcher", has_citizens_words=True),
    Lane.URGENT: Queue("dispatch.urgent", DISPATCH, (Lane.URGENT,), "dispatcher", MAX_LANE_BATCHES),
    Lane.BULK: Queue("dispatch.bulk", DISPATCH, (Lane.BULK,), "dispatcher", MAX_LANE_BATCHES),
}
QUARANTINE = "ingress.quarantine"
# The same as for citizens' dead letters. Webhooks that are encrypted as a whole cannot be looked up by person, so
# "Löschen" does not delete them: they expire, since they may contain personal data.
QUARANTINE_MAX_AGE = timedelta(days=7)
PROGRESS = "municipal.progress"
ANSWERS = "municipal.answers"
NOTICES_QUARANTINE = "subscriptions.quarantine"
MAX_QUARANTINE_LENGTH = 10_000
MAX_QUARANTINE_BYTES = 64_000_000

# Queues of messages that no service could parse or accept; an operator has to look.
QUARANTINES: Sequence[str] = (QUARANTINE, NOTICES_QUARANTINE)

# Browsing a dead letter returns it to the queue and must not count towards a delivery limit.
_DEAD_LETTER_ARGUMENTS: dict[str, Any] = {"x-queue-type": "quorum", "x-delivery-limit": -1}

# Rejecting a message without requeueing returns it, unchanged, to the queue that it came from.
_QUARANTINE_ARGUMENTS: dict[str, Any] = {
    **_DEAD_LETTER_ARGUMENTS,
    "x-max-length": MAX_QUARANTINE_LENGTH,
    "x-max-length-bytes": MAX_QUARANTINE_BYTES,
    "x-overflow": "reject-publish",
    "x-dead-letter-exchange": "",
    "x-dead-letter-routing-key": SUBSCRIPTIONS_NOTICES.name,
    "x-dead-letter-strategy": "at-least-once",
}


@dataclass(frozen=True)
class Stream:
    """Stream that each reader reads independently and repeatedly; `keys` are the routing keys of each exchange."""

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


_EVENT_KEYS: Mapping[str, Sequence[str]] = {EVENTS: ("notice.*", "broadcast.*")}
STREAMS: Sequence[Stream] = (
    Stream(PROGRESS, {API_NOTICES: ("notice.#",), **_EVENT_KEYS}, 500_000_000),  # for the notices API
    Stream(ANSWERS, _EVENT_KEYS, 100_000_000),  # for municipal systems
)

QUEUES: Sequence[Queue] = (
    SUBSCRIPTIONS_INBOUND,
    SUBSCRIPTIONS_NOTICES,
    SUBSCRIPTIONS_API_NOTICES,
    SUBSCRIPTIONS_REACTIONS,
    SUBSCRIPTIONS_UNDELIVERABLE,
    DISPATCHER_STATUSES,
    DISPATCHER_ACCOUNT,
    DISPATCHER_SUPPRESSIONS,
    DISPATCHER_ERASURES,
    DISPATCHER_PROGRESS_REQUESTS,
    NEWSROOM_EVENTS,
    *LANES.values(),
)


async def declare(channel: AbstractChannel) -> None:
    """Declare everything; safe to repeat.

    Raises ChannelPreconditionFailed if a queue exists with other arguments.
    """
    arguments = list_arguments()
    for name, exchange_type in EXCHANGES.items():
        await channel.declare_exchange(name, exchange_type, durable=True)
    for queue in QUEUES:
        await _declare_queue(channel, queue, arguments)
    quarantine = await channel.declare_queue(QUARANTINE, durable=True, arguments=arguments[QUARANTINE])
    await quarantine.bind(INBOUND, "quarantined")
    for stream in STREAMS:
        await declare_stream(channel, stream)
    rejected = await channel.declare_queue(NOTICES_QUARANTINE, durable=True, arguments=arguments[NOTICES_QUARANTINE])
    await rejected.bind(SUBSCRIPTIONS_NOTICES.retry_exchange, NOTICES_QUARANTINE)


async def declare_stream(channel: AbstractChannel, stream: Stream) -> None:
    queue = await channel.declare_queue(stream.name, durable=True, arguments=stream.arguments)
    for exchange, keys in stream.keys.items():
        for key in keys:
            await queue.bind(exchange, key)


def list_arguments() -> dict[str, dict[str, Any]]:
    """Return the arguments of every queue and stream by name. RabbitMQ never changes those of an existing one."""
    arguments = {QUARANTINE: _build_expiring_arguments(), NOTICES_QUARANTINE: _QUARANTINE_ARGUMENTS}
    arguments |= {stream.name: stream.arguments for stream in STREAMS}
    for queue in QUEUES:
        arguments[queue.name] = _build_queue_arguments(queue)
        arguments[queue.dead_letter_queue] = _build_dead_letter_arguments(queue)
        for tier, seconds in RETRY_TIERS.items():
            arguments[queue.name_retry_queue(tier)] = _build_tier_arguments(queue, seconds)
    return arguments


async def _declare_queue(channel: AbstractChannel, queue: Queue, arguments: Mapping[str, dict[str, Any]]) -> None:
    await channel.declare_exchange(queue.retry_exchange, ExchangeType.DIRECT, durable=True)
    dead = await channel.declare_queue(
        queue.dead_letter_queue, durable=True, arguments=arguments[queue.dead_letter_queue]
    )
    await dead.bind(DEAD_LETTERS, queue.dead_letter_queue)
    await dead.bind(queue.retry_exchange, queue.dead_letter_queue)
    declared = await channel.declare_queue(queue.name, durable=True, arguments=arguments[queue.name])
    for key in queue.keys:
        await declared.bind(queue.exchange, key)
    for name in map(queue.name_retry_queue, RETRY_TIERS):
        tier = await channel.declare_queue(name, durable=True, arguments=arguments[name])
        await tier.bind(queue.retry_exchange, name)


def _build_queue_arguments(queue: Queue) -> dict[str, Any]:
    limits: dict[str, Any] = {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        **_build_bounds(queue),
    }
    if queue.max_age:
        limits["x-message-ttl"] = int(queue.max_age.total_seconds() * 1000)
    if queue.drops_oldest:  # no dead-letter exchange: everything dropped would go there
        return {**limits, "x-overflow": "drop-head"}
    return {
        **limits,
        "x-dead-letter-exchange": DEAD_LETTERS,
        "x-dead-letter-routing-key": queue.dead_letter_queue,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def _build_bounds(queue: Queue) -> dict[str, int]:
    bounds = {"x-max-length": queue.max_length, "x-max-length-bytes": queue.max_bytes}
    return {name: limit for name, limit in bounds.items() if limit}


def _build_expiring_arguments() -> dict[str, Any]:
    return {**_DEAD_LETTER_ARGUMENTS, "x-message-ttl": int(QUARANTINE_MAX_AGE.total_seconds() * 1000)}


def _build_dead_letter_arguments(queue: Queue) -> dict[str, Any]:
    if queue.has_citizens_words:
        return _build_expiring_arguments()
    if queue.max_dead_letters is None:
        return _DEAD_LETTER_ARGUMENTS
    return {**_DEAD_LETTER_ARGUMENTS, "x-max-length": queue.max_dead_letters, "x-max-length-bytes": queue.max_bytes}


def _build_tier_arguments(queue: Queue, seconds: float) -> dict[str, Any]:
    return {
        "x-queue-type": "quorum",
        "x-message-ttl": int(seconds * 1000),
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": queue.name,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        **(_build_bounds(queue) if queue.has_bounded_retries else {}),
    }

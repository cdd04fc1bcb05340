"""Composition root: open resources in dependency order, close them in reverse."""

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import asyncpg
from prometheus_client import CollectorRegistry

from services.subscriptions.adapters.broadcasts import PostgresBroadcastRepository
from services.subscriptions.adapters.consents import save_wordings
from services.subscriptions.adapters.dead_letters import PostgresDeadLetterRepository
from services.subscriptions.adapters.feedback import PostgresFeedbackRepository
from services.subscriptions.adapters.metrics import Metrics
from services.subscriptions.adapters.notices import PostgresNoticeRepository
from services.subscriptions.adapters.publisher import AmqpEventPublisher
from services.subscriptions.adapters.retention import build_retention_rules
from services.subscriptions.adapters.subscribers import PostgresSubscriberRepository
from services.subscriptions.domain.county import County
from services.subscriptions.domain.feedback import AuthorKey
from services.subscriptions.domain.intents.classifier import load_classifier
from services.subscriptions.domain.quotas import TokenBucket
from services.subscriptions.domain.replies import require_short_replies
from services.subscriptions.domain.wording import build_wordings
from services.subscriptions.handlers.dead_letters import REPLAY_INTERVAL_SECONDS, DeadLetterHandler
from services.subscriptions.handlers.expansion import SCHEDULE_INTERVAL_SECONDS, BroadcastExpander
from services.subscriptions.handlers.inbound import InboundConsumer
from services.subscriptions.handlers.notices import NoticeConsumer
from services.subscriptions.ports import EventPublisher
from services.subscriptions.settings import Settings
from shared.amqp.connection import Connection, check_connections, connect_twice
from shared.amqp.consumer import Consumer, Handler, ReceivedMessage, open_consumer, run_worker
from shared.amqp.publisher import open_publisher
from shared.amqp.topology import (
    SUBSCRIPTIONS_API_NOTICES,
    SUBSCRIPTIONS_DEAD_LETTERS,
    SUBSCRIPTIONS_INBOUND,
    SUBSCRIPTIONS_NOTICES,
    SUBSCRIPTIONS_REACTIONS,
    SUBSCRIPTIONS_UNDELIVERABLE,
    Queue,
)
from shared.database.migrations import NotMigrated, is_migrated, require_migrated
from shared.database.pool import Database, open_database
from shared.encryption import KeyRing
from shared.outcome import DependencyUnavailable, Outcome
from shared.runtime.availability import Availability
from shared.runtime.background import repeat, run_in_background
from shared.runtime.clock import Clock, system_clock
from shared.runtime.probes import Readiness, open_internal_port
from shared.runtime.process import StopRequest
from shared.runtime.settings import read_county

NAME = "subscriptions"
MIGRATIONS = Path(__file__).parent / "adapters" / "migrations"
POOL_SIZE = 20  # concurrent messages, a notice, the expander, probes and maintenance
MAX_GROUPS_IN_FLIGHT = 1_000  # the number of groups among which `handlers.fair_queue` chooses the next turn
NOTICE_BURST, NOTICES_PER_SECOND = 100, 20.0  # of all systems over AMQP; publishing more than this is refused
CLOSE_TIMEOUT_SECONDS = 3.0
RETENTION_INTERVAL_SECONDS = 60.0
METRICS_INTERVAL_SECONDS = 15.0
SWITCH_INTERVAL_SECONDS = 0.0005  # the longest time for which parsing a text may keep the event loop waiting


@dataclass(frozen=True, kw_only=True)
class Handlers:
    """Handlers of one replica."""

    inbound: InboundConsumer
    notices: NoticeConsumer
    expander: BroadcastExpander
    dead_letters: DeadLetterHandler


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Keys that no other service has."""

    author: AuthorKey
    dead_letters: KeyRing


def assemble(
    database: Database,
    publisher: EventPublisher,
    county: County,
    metrics: Metrics,
    *,
    keys: Keys,
    messages_per_second: float,
    clock: Clock = system_clock,
) -> Handlers:
    """Return the handlers with their dependencies; `work_available` wakes the expander for a new notice."""
    work_available = asyncio.Event()
    inbound = InboundConsumer(
        subscribers=PostgresSubscriberRepository(database, keys.author),
        feedback=PostgresFeedbackRepository(database),
        publisher=publisher,
        county=county,
        clock=clock,
        author_key=keys.author,
        count=lambda outcome: metrics.inbound.labels(outcome).inc(),
    )
    return Handlers(
        inbound=inbound,
        notices=NoticeConsumer(
            notices=PostgresNoticeRepository(database),
            publisher=publisher,
            county=county,
            messages_per_second=messages_per_second,
            clock=clock,
            work_available=work_available,
            count=lambda result: metrics.notices.labels(result).inc(),
        ),
        expander=BroadcastExpander(
            broadcasts=PostgresBroadcastRepository(database),
            publisher=publisher,
            clock=clock,
            work_available=work_available,
            count=metrics.expanded.inc,
        ),
        dead_letters=DeadLetterHandler(
            letters=PostgresDeadLetterRepository(database, keys.dead_letters), handle=inbound.handle
        ),
    )


class KeysUnconfirmed(DependencyUnavailable):
    """The database was restored, and its hashes may be of other keys than those in messages, so messages wait."""


async def require_confirmed_keys(database: Database) -> None:
    """Raise KeysUnconfirmed after a restore until the keys are known to match (decision 0032)."""
    try:
        is_unconfirmed = await database.fetchval("select dispatcher.awaits_keys()")
    except (asyncpg.UndefinedFunctionError, asyncpg.InvalidSchemaNameError, asyncpg.InsufficientPrivilegeError):
        raise NotMigrated("the dispatcher's schema is not up to date: run `kreisfunk migrate`") from None
    if is_unconfirmed:
        raise KeysUnconfirmed("restored: no message is handled until `kreisfunk keys status` has ended with 0")


async def serve(settings: Settings, stop: StopRequest) -> None:
    """Run until `stop` is requested, then finish the work in progress and close."""
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    county = read_county(settings.county_file, County, require_short_replies)
    async with AsyncExitStack() as stack:
        registry = CollectorRegistry()
        metrics = Metrics(registry)
        metrics.show_prices(county.prices)
        database = await stack.enter_async_context(
            open_database(settings.database_url, password=settings.database_secret, name=NAME, size=POOL_SIZE)
        )
        # Before the port opens: a waiting process would look alive, and dead at each restart.
        await require_migrated(database, NAME, MIGRATIONS)
        await require_confirmed_keys(database)
        consuming, publishing = await stack.enter_async_context(
            connect_twice(settings.broker_url, password=settings.broker_secret, name=NAME)
        )
        listening = asyncio.Event()
        readiness = _build_readiness(database, listening, consuming, publishing)
        await stack.enter_async_context(open_internal_port(settings, registry, readiness))
        load_classifier(county)  # now, before the first citizen waits for it
        publisher = AmqpEventPublisher(await stack.enter_async_context(open_publisher(publishing)))
        keys = Keys(author=AuthorKey(settings.author_key), dead_letters=settings.ring)
        rate = settings.messages_per_second
        handlers = assemble(database, publisher, county, metrics, keys=keys, messages_per_second=rate)
        async with database.connection() as connection:
            await save_wordings(connection, build_wordings(county).list_all())
        availability = Availability(database.is_answering)
        maintenance = run_in_background(
            availability.watch(),
            handlers.expander.run(),
            repeat(handlers.expander.start_due, SCHEDULE_INTERVAL_SECONDS),
            repeat(handlers.expander.publish_cancellations, SCHEDULE_INTERVAL_SECONDS),
            repeat(handlers.dead_letters.replay, REPLAY_INTERVAL_SECONDS),
            repeat(partial(metrics.refresh, database), METRICS_INTERVAL_SECONDS),
            repeat(partial(metrics.retention.run, database, build_retention_rules(county)), RETENTION_INTERVAL_SECONDS),
        )
        async with maintenance:
            open_queue = partial(open_consumer, consuming, publishing, needed=availability)
            await _consume(handlers, open_queue, listening, readiness, stop)


def _build_readiness(database: Database, listening: asyncio.Event, *connections: Connection) -> Readiness:
    return Readiness(
        {
            "broker": partial(check_connections, *connections),
            "database": database.is_reachable,
            "migrations": partial(is_migrated, database, NAME, MIGRATIONS),
            "queues": partial(_is_set, listening),
        }
    )


async def _is_set(event: asyncio.Event) -> bool:
    return event.is_set()


async def _consume(
    handlers: Handlers,
    open_queue: Callable[..., AbstractAsyncContextManager[Consumer]],
    listening: asyncio.Event,
    readiness: Readiness,
    stop: StopRequest,
) -> None:
    """Consume until a stop is requested; then wait for work in progress until shortly before the drain deadline."""
    pace = TokenBucket(burst=NOTICE_BURST, per_second=NOTICES_PER_SECOND)

    async def handle_notice(received: ReceivedMessage) -> Outcome:
        return await handlers.notices.handle(received.message, attempt=received.attempt)

    async def handle_paced(received: ReceivedMessage) -> Outcome:
        """Handle at a limited rate, so that a flood from one system does not starve citizens' messages."""
        await asyncio.sleep(pace.reserve_delay(time.monotonic()))
        return await handle_notice(received)

    queues: Sequence[tuple[Queue, Handler, int]] = (
        (SUBSCRIPTIONS_INBOUND, lambda received: handlers.inbound.handle(received.body), MAX_GROUPS_IN_FLIGHT),
        (SUBSCRIPTIONS_DEAD_LETTERS, lambda received: handlers.dead_letters.store(received.body, received.reason), 1),
        (SUBSCRIPTIONS_NOTICES, handle_paced, 1),
        (SUBSCRIPTIONS_API_NOTICES, handle_notice, 1),
        (SUBSCRIPTIONS_REACTIONS, lambda received: handlers.inbound.handle_reaction(received.body), 1),
        (SUBSCRIPTIONS_UNDELIVERABLE, lambda received: handlers.inbound.handle_refusal(received.body), 1),
    )
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        running: list[asyncio.Task[None]] = []
        for queue, handle, workers in queues:
            prefetch = min(2 * workers, MAX_GROUPS_IN_FLIGHT)
            consumer = await stack.enter_async_context(open_queue(queue, prefetch=prefetch))
            running += [tasks.create_task(run_worker(consumer, handle, until=stop.requested)) for _ in range(workers)]
        listening.set()
        await stop.requested.wait()
        readiness.draining = True
        await asyncio.wait(running, timeout=max(1.0, stop.drain_seconds - CLOSE_TIMEOUT_SECONDS))
        for task in running:
            task.cancel()

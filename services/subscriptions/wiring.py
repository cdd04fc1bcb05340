"""Puts one replica together, in the order of dependency, and takes it apart in the opposite one."""

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from services.subscriptions.adapters.broadcasts import PostgresBroadcasts
from services.subscriptions.adapters.dead_letters import PostgresDeadLetters
from services.subscriptions.adapters.metrics import Metrics
from services.subscriptions.adapters.notices import PostgresNotices
from services.subscriptions.adapters.opinions import PostgresOpinions
from services.subscriptions.adapters.outlet import AmqpOutlet
from services.subscriptions.adapters.people import PostgresPeople, save_wordings
from services.subscriptions.adapters.retention import rules
from services.subscriptions.domain.county import County
from services.subscriptions.domain.feedback import AuthorKey
from services.subscriptions.domain.language.guessing import guesser
from services.subscriptions.domain.pace import Pace
from services.subscriptions.domain.wording import wordings
from services.subscriptions.handlers.dead_letters import REPLAY_INTERVAL_SECONDS, DeadLetterKeeper
from services.subscriptions.handlers.expansion import Expander
from services.subscriptions.handlers.inbound import Inbound
from services.subscriptions.handlers.notices import NoticeDesk
from services.subscriptions.handlers.reactions import Reactions
from services.subscriptions.handlers.refusals import Refusals
from services.subscriptions.handlers.schedule import LOOK_EVERY_SECONDS, Schedule
from services.subscriptions.handlers.upkeep import (
    FORGET_EVERY_SECONDS,
    REFRESH_EVERY_SECONDS,
    repeat,
)
from services.subscriptions.ports import Outlet
from services.subscriptions.settings import Settings
from shared.amqp.connection import Connection, connect, connected
from shared.amqp.consumer import Handler, open_consumer, work
from shared.amqp.publisher import open_publisher
from shared.amqp.received import Received
from shared.amqp.topology import (
    SUBSCRIPTIONS_API_NOTICES,
    SUBSCRIPTIONS_DEAD,
    SUBSCRIPTIONS_INBOUND,
    SUBSCRIPTIONS_NOTICES,
    SUBSCRIPTIONS_REACTIONS,
    SUBSCRIPTIONS_REFUSALS,
    Queue,
)
from shared.database.migrations import pending_versions
from shared.database.pool import Database, open_database
from shared.database.retention import Retention
from shared.municipal.binding import AmqpMessage
from shared.outcome import DependencyAway, Outcome
from shared.runtime.background import background
from shared.runtime.clock import Clock, system_clock
from shared.runtime.probes import Readiness, internal_port
from shared.runtime.process import Stop
from shared.sealing import KeyRing

NAME = "subscriptions"
MIGRATIONS = Path(__file__).parent / "adapters" / "migrations"
POOL_SIZE = 20  # messages at once, a notice, the expander, probes and upkeep
GROUPS_IN_HAND = 1_000  # as far ahead as `handlers.turns` looks for whose turn it is
NOTICE_WORKERS = 1
NOTICE_BURST, NOTICES_PER_SECOND = 100, 20.0  # of all systems over AMQP; who publishes more is refused
REACTION_WORKERS = 1
REFUSAL_WORKERS = 1
CLOSE_SECONDS = 3.0
SWITCH_SECONDS = 0.0005  # so long may a text that is being understood keep the event loop from going on


class NotMigrated(DependencyAway):
    """The process waits until somebody has migrated."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The handlers of one replica."""

    inbound: Inbound
    reactions: Reactions
    desk: NoticeDesk
    refusals: Refusals
    expander: Expander
    schedule: Schedule
    dead_letters: DeadLetterKeeper


@dataclass(frozen=True, kw_only=True)
class Keys:
    """What only this service holds."""

    author: AuthorKey
    dead_letters: KeyRing


def assemble(
    database: Database,
    outlet: Outlet,
    county: County,
    metrics: Metrics,
    *,
    keys: Keys,
    messages_per_second: float,
    clock: Clock = system_clock,
) -> Parts:
    """Hand everybody what they need; `arrived` takes a new notice to the expander at once."""
    arrived = asyncio.Event()
    people, opinions = PostgresPeople(database, keys.author), PostgresOpinions(database)
    broadcasts = PostgresBroadcasts(database)
    inbound = Inbound(
        people=people,
        opinions=opinions,
        outlet=outlet,
        county=county,
        clock=clock,
        key=keys.author,
        count=metrics.count_inbound,
    )
    return Parts(
        inbound=inbound,
        reactions=Reactions(opinions=opinions, outlet=outlet, key=keys.author),
        desk=NoticeDesk(
            notices=PostgresNotices(database),
            outlet=outlet,
            county=county,
            messages_per_second=messages_per_second,
            clock=clock,
            arrived=arrived,
            count=metrics.count_notice,
        ),
        refusals=Refusals(people=people, outlet=outlet, county=county, count=metrics.count_inbound),
        expander=Expander(
            broadcasts=broadcasts, outlet=outlet, clock=clock, arrived=arrived, count=metrics.count_expanded
        ),
        schedule=Schedule(broadcasts=broadcasts, outlet=outlet, clock=clock, arrived=arrived),
        dead_letters=DeadLetterKeeper(letters=PostgresDeadLetters(database, keys.dead_letters), handle=inbound.handle),
    )


def retention(database: Database, county: County, metrics: Metrics) -> Retention:
    """Everything that this service forgets."""
    kept = rules(county)
    for kind in kept:
        metrics.count_forgotten(kind, 0)
    return Retention(database=database, rules=kept, count=metrics.count_forgotten, finished=metrics.show_kept)


async def serve(settings: Settings, county: County, stop: Stop) -> None:
    """Run until `stop` is requested, then finish what is in hand and close."""
    sys.setswitchinterval(SWITCH_SECONDS)
    async with AsyncExitStack() as stack:
        registry = CollectorRegistry()
        metrics = Metrics(registry)
        database = await stack.enter_async_context(
            open_database(settings.database_url, password=settings.database_secret, name=NAME, size=POOL_SIZE)
        )
        consuming, publishing = [await _connect(stack, settings, purpose) for purpose in ("consumes", "publishes")]
        learnt, listening = asyncio.Event(), asyncio.Event()
        readiness = _readiness(database, learnt, listening, consuming, publishing)
        host, port = settings.internal_host, settings.internal_port
        await stack.enter_async_context(internal_port(host=host, port=port, registry=registry, readiness=readiness))
        # Now, and not when the first citizen waits; beside the loop, which has probes and heartbeats to answer.
        await asyncio.to_thread(guesser, county)
        learnt.set()
        outlet = AmqpOutlet(await stack.enter_async_context(open_publisher(publishing)))
        keys = Keys(author=AuthorKey(settings.author_key), dead_letters=settings.ring)
        rate = settings.messages_per_second
        parts = assemble(database, outlet, county, metrics, keys=keys, messages_per_second=rate)
        if not await _migrated(database):
            raise NotMigrated("the schema is not up to date: run `kreisfunk migrate`")
        await save_wordings(database, wordings(county).all())
        upkeep = background(
            parts.expander.run(),
            repeat(parts.schedule.turn, LOOK_EVERY_SECONDS),
            repeat(parts.dead_letters.replay, REPLAY_INTERVAL_SECONDS),
            repeat(partial(metrics.refresh, database), REFRESH_EVERY_SECONDS),
            repeat(retention(database, county, metrics).run, FORGET_EVERY_SECONDS),
        )
        async with upkeep:
            await _consume(parts, consuming, publishing, listening, readiness, stop)


async def _connect(stack: AsyncExitStack, settings: Settings, purpose: str) -> Connection:
    return await stack.enter_async_context(
        connect(settings.broker_url, password=settings.broker_secret, name=f"{NAME} {purpose}")
    )


def _readiness(
    database: Database, learnt: asyncio.Event, listening: asyncio.Event, *connections: Connection
) -> Readiness:
    return Readiness(
        {
            "broker": connected(*connections),
            "database": database.reachable,
            "migrations": partial(_migrated, database),
            "learning": partial(_is_set, learnt),
            "queues": partial(_is_set, listening),
        }
    )


async def _is_set(event: asyncio.Event) -> bool:
    return event.is_set()


async def _migrated(database: Database) -> bool:
    async with database.connection() as connection:
        return not await pending_versions(connection, NAME, MIGRATIONS)


def _message(received: Received) -> AmqpMessage:
    """What a municipal system published, as it came."""
    incoming = received.incoming
    return AmqpMessage(
        body=received.body,
        login=received.user_id,
        content_type=incoming.content_type,
        content_encoding=incoming.content_encoding,
        persistent=received.persistent,
        headers=received.headers,
    )


async def _consume(
    parts: Parts,
    consuming: Connection,
    publishing: Connection,
    listening: asyncio.Event,
    readiness: Readiness,
    stop: Stop,
) -> None:
    """Work until the end is asked for; then what is in hand has all the time there is but the last seconds."""
    pace = Pace(burst=NOTICE_BURST, per_second=NOTICES_PER_SECOND)

    async def handle_notice(received: Received) -> Outcome:
        return await parts.desk.handle(_message(received), may_wait=received.attempt == 1)

    async def handle_paced(received: Received) -> Outcome:
        """One system's flood must not take the time that citizens' messages need."""
        await asyncio.sleep(pace.reserve_delay(time.monotonic()))
        return await handle_notice(received)

    queues: Sequence[tuple[Queue, Handler, int]] = (
        (SUBSCRIPTIONS_INBOUND, lambda received: parts.inbound.handle(received.body), GROUPS_IN_HAND),
        (SUBSCRIPTIONS_DEAD, lambda received: parts.dead_letters.keep(received.body, received.reason), 1),
        (SUBSCRIPTIONS_NOTICES, handle_paced, NOTICE_WORKERS),
        (SUBSCRIPTIONS_API_NOTICES, handle_notice, NOTICE_WORKERS),
        (SUBSCRIPTIONS_REACTIONS, lambda received: parts.reactions.handle(received.body), REACTION_WORKERS),
        (SUBSCRIPTIONS_REFUSALS, lambda received: parts.refusals.handle(received.body), REFUSAL_WORKERS),
    )
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        working: list[asyncio.Task[None]] = []
        for queue, handle, workers in queues:
            opened = open_consumer(consuming, publishing, queue, prefetch=min(2 * workers, GROUPS_IN_HAND))
            consumer = await stack.enter_async_context(opened)
            working += [tasks.create_task(work(consumer, handle, until=stop.requested)) for _ in range(workers)]
        listening.set()
        await stop.requested.wait()
        readiness.draining = True
        await asyncio.wait(working, timeout=max(1.0, stop.drain_seconds - CLOSE_SECONDS))
        for task in working:
            task.cancel()

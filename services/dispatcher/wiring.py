"""Puts one replica together, in the order of dependency, and takes it apart in the opposite one."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

from aiohttp import ClientSession
from prometheus_client import CollectorRegistry

from services.dispatcher.adapters.account import PostgresAccount
from services.dispatcher.adapters.contact_book import ContactBook
from services.dispatcher.adapters.graph import ConnectWatch, GraphApi, open_session
from services.dispatcher.adapters.lanes import LaneInbox
from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.limiter import Limits, PostgresLimiter
from services.dispatcher.adapters.metrics import Metrics
from services.dispatcher.adapters.people import PostgresPeople
from services.dispatcher.adapters.retention import rules
from services.dispatcher.domain.pacing import batches_in_hand, permitted_rate
from services.dispatcher.handlers import upkeep
from services.dispatcher.handlers.account import AccountHandler
from services.dispatcher.handlers.batches import RECIPIENTS_IN_A_BATCH
from services.dispatcher.handlers.erasure import ERASE_SECONDS, Eraser, PeopleHandler
from services.dispatcher.handlers.lanes import Lanes
from services.dispatcher.handlers.pump import Pump
from services.dispatcher.handlers.questions import QuestionHandler
from services.dispatcher.handlers.recorder import Recorder
from services.dispatcher.handlers.sending import CLAIM_SECONDS, Sender
from services.dispatcher.handlers.statuses import StatusHandler
from services.dispatcher.handlers.stops import StopHandler
from services.dispatcher.settings import Settings
from shared.amqp.connection import Connection, connect, connected
from shared.amqp.consumer import open_consumer, work
from shared.amqp.publisher import Publisher, open_publisher
from shared.amqp.received import Received
from shared.amqp.topology import (
    DISPATCHER_ACCOUNT,
    DISPATCHER_PEOPLE,
    DISPATCHER_QUESTIONS,
    DISPATCHER_STATUSES,
    DISPATCHER_STOPS,
    EVENTS,
    LANES,
    Queue,
)
from shared.contracts.envelope import encode
from shared.contracts.message import Lane, Message
from shared.database.pool import Database, open_database
from shared.database.retention import Retention
from shared.outcome import Outcome
from shared.runtime.clock import system_clock
from shared.runtime.probes import Readiness, internal_port
from shared.runtime.process import Stop
from shared.sealing import IndexKey, KeyRing

NAME = "dispatcher"
SOURCE = "/kreisfunk/dispatcher"
POOL_SIZE = 8
WORKERS = 4
COUNTER_SLOTS = 32
REPLIES_IN_HAND = 64
CLOSE_SECONDS = 3.0


@dataclass(frozen=True)
class Outside:
    """All that a replica is connected to."""

    settings: Settings
    database: Database
    consuming: Connection
    publishing: Connection
    publisher: Publisher
    graph: GraphApi
    contact_book: ContactBook
    metrics: Metrics


Job = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Replica:
    """What runs: the pump, which ends by itself when it is stopped, and what is ended after it."""

    pump: Pump
    recorder: Recorder
    background: list[Job]


def retention(database: Database, keep_days: int, metrics: Metrics) -> Retention:
    """Everything that this service forgets."""
    kept = rules(keep_days)
    for kind in kept:
        metrics.count_forgotten(kind, 0)
    return Retention(database=database, rules=kept, count=metrics.count_forgotten, finished=metrics.show_kept)


async def serve(settings: Settings, stop: Stop) -> None:
    """Run until `stop` is requested, then drain: finish what is in flight, record it, close."""
    async with AsyncExitStack() as stack:
        readiness, outside = await _open(settings, stack)
        await _run(await _assemble(outside, stack), readiness, stop)


async def _open(settings: Settings, stack: AsyncExitStack) -> tuple[Readiness, Outside]:
    registry = CollectorRegistry()
    database_password = settings.database_password
    database = await stack.enter_async_context(
        open_database(
            settings.database_url,
            password=database_password.get_secret_value() if database_password else None,
            name=NAME,
            size=POOL_SIZE,
        )
    )
    consuming, publishing = [
        await stack.enter_async_context(
            connect(settings.broker_url, password=settings.broker_secret, name=f"{NAME} {purpose}")
        )
        for purpose in ("consumes", "publishes")
    ]
    readiness = Readiness({"database": database.reachable, "broker": connected(consuming, publishing)})
    await stack.enter_async_context(
        internal_port(host=settings.internal_host, port=settings.internal_port, registry=registry, readiness=readiness)
    )
    watch = ConnectWatch()
    session = await _open_session(settings, watch, stack)
    outside = Outside(
        settings=settings,
        database=database,
        consuming=consuming,
        publishing=publishing,
        publisher=await stack.enter_async_context(open_publisher(publishing)),
        graph=_graph(settings, session, watch),
        contact_book=ContactBook(session, url=settings.contact_book_url, keys=_keys(settings)),
        metrics=Metrics(registry, limit=settings.messages_per_second),
    )
    return readiness, outside


async def _open_session(settings: Settings, watch: ConnectWatch, stack: AsyncExitStack) -> ClientSession:
    token = settings.graph_token.get_secret_value()
    session = open_session(token=token, connections=settings.most_connections, watch=watch)
    return await stack.enter_async_context(session)


def _keys(settings: Settings) -> KeyRing:
    return KeyRing.parse(settings.sealing_keys.get_secret_value())


def _graph(settings: Settings, session: ClientSession, watch: ConnectWatch) -> GraphApi:
    return GraphApi(
        session,
        url=settings.messages_url,
        keys=_keys(settings),
        index_key=IndexKey.parse(settings.index_key.get_secret_value()),
        watch=watch,
    )


async def _assemble(outside: Outside, stack: AsyncExitStack) -> Replica:
    number, limits = outside.settings.phone_number_id, _limits(outside.settings)
    ledger = PostgresLedger(outside.database, number=number, slot=uuid4().int % COUNTER_SLOTS, limited=limits.counted)
    limiter = PostgresLimiter(outside.database, number=number, limits=limits)
    await ledger.ensure_partitions()
    await limiter.set_up()
    wake = asyncio.Event()
    inboxes = await _open_lanes(outside, wake, stack)
    handlers = await _open_handlers(outside, ledger, stack)
    recorder = Recorder(ledger)
    lanes = Lanes(ledger=ledger, queues=inboxes)
    sender = Sender(
        graph=outside.graph,
        ledger=ledger,
        limiter=limiter,
        recorder=recorder,
        meter=outside.metrics,
        clock=system_clock,
        most=outside.settings.most_connections,
        timeout=outside.settings.request_timeout_seconds,
    )
    pump = Pump(lanes=lanes, limiter=limiter, sender=sender, meter=outside.metrics, wake=wake, rate=limiter.rate)
    arriving = [inbox.run for inbox in inboxes.values()]
    return Replica(
        pump,
        recorder,
        [recorder.run, sender.give_up_late, *arriving, *handlers, *_upkeep(outside, ledger, lanes, wake)],
    )


async def _run(replica: Replica, readiness: Readiness, stop: Stop) -> None:
    async with asyncio.TaskGroup() as tasks:
        background = [tasks.create_task(job()) for job in replica.background]
        pumping = tasks.create_task(replica.pump.run(max(1.0, stop.drain_seconds - CLOSE_SECONDS)))
        await stop.requested.wait()
        readiness.draining = True
        replica.pump.stop()
        await pumping
        await replica.recorder.flushed()
        for task in background:
            task.cancel()


def _limits(settings: Settings) -> Limits:
    return Limits(
        rate=permitted_rate(settings.messages_per_second),
        people_a_day=settings.people_per_day,
        messages_a_month=settings.messages_per_month,
    )


async def _open_lanes(outside: Outside, wake: asyncio.Event, stack: AsyncExitStack) -> Mapping[Lane, LaneInbox]:
    rate = permitted_rate(outside.settings.messages_per_second)
    batches = batches_in_hand(rate, RECIPIENTS_IN_A_BATCH)
    prefetch = {Lane.REPLY: max(REPLIES_IN_HAND, int(rate)), Lane.URGENT: batches, Lane.BULK: batches}
    consumers = {
        lane: await stack.enter_async_context(
            open_consumer(outside.consuming, outside.publishing, queue, prefetch=prefetch[lane])
        )
        for lane, queue in LANES.items()
    }
    return {lane: LaneInbox(consumer, wake) for lane, consumer in consumers.items()}


def _upkeep(outside: Outside, ledger: PostgresLedger, lanes: Lanes, wake: asyncio.Event) -> list[Job]:
    settings, meter = outside.settings, outside.metrics
    resolver = upkeep.Resolver(
        ledger=ledger,
        meter=meter,
        grace=settings.unknown_grace_seconds,
        timeout=settings.request_timeout_seconds,
        claim=CLAIM_SECONDS,
    )
    refusals = upkeep.RefusalTeller(ledger=ledger, publish=_events(outside.publisher, mandatory=True))
    eraser = Eraser(people=PostgresPeople(outside.database), contact_book=outside.contact_book)
    teller = upkeep.ProgressTeller(ledger=ledger, publish=_events(outside.publisher))
    return [
        partial(upkeep.repeat, action, seconds)
        for action, seconds in (
            (upkeep.Due(ledger=ledger, lanes=lanes, wake=wake).look, upkeep.DUE_SECONDS),
            (resolver.resolve, upkeep.RESOLVE_SECONDS),
            (teller.tell, upkeep.PROGRESS_SECONDS),
            (upkeep.Watch(ledger=ledger, meter=meter).look, upkeep.WATCH_SECONDS),
            (refusals.tell, upkeep.REFUSALS_SECONDS),
            (eraser.run, ERASE_SECONDS),
            (upkeep.Tidier(ledger=ledger).tidy, upkeep.TIDY_SECONDS),
            (upkeep.Follower(ledger=ledger).follow, upkeep.FOLLOW_SECONDS),
            (ledger.ensure_partitions, upkeep.PARTITIONS_SECONDS),
            (retention(outside.database, settings.keep_days, outside.metrics).run, upkeep.FORGET_SECONDS),
        )
    ]


async def _open_handlers(outside: Outside, ledger: PostgresLedger, stack: AsyncExitStack) -> list[Job]:
    handlers: Mapping[Queue, Callable[[bytes], Awaitable[Outcome]]] = {
        DISPATCHER_STATUSES: StatusHandler(ledger=ledger, meter=outside.metrics, clock=system_clock).handle,
        DISPATCHER_STOPS: StopHandler(ledger=ledger).handle,
        DISPATCHER_QUESTIONS: QuestionHandler(ledger=ledger, publish=_events(outside.publisher)).handle,
        DISPATCHER_PEOPLE: PeopleHandler(
            people=PostgresPeople(outside.database), publish=_events(outside.publisher, mandatory=True)
        ).handle,
        DISPATCHER_ACCOUNT: AccountHandler(
            account=PostgresAccount(outside.database, number=outside.settings.phone_number_id),
            seen=outside.metrics.account_event,
        ).handle,
    }
    workers: list[Job] = []
    for queue, handle in handlers.items():
        consumer = await stack.enter_async_context(
            open_consumer(outside.consuming, outside.publishing, queue, prefetch=WORKERS)
        )
        workers += [partial(work, consumer, _on_body(handle))] * WORKERS
    return workers


def _on_body(handle: Callable[[bytes], Awaitable[Outcome]]) -> Callable[[Received], Awaitable[Outcome]]:
    return lambda received: handle(received.body)


def _events(publisher: Publisher, *, mandatory: bool = False) -> Callable[[Message], Awaitable[None]]:
    async def publish(message: Message) -> None:
        event_id = str(uuid4())
        body = encode(message, event_id=event_id, source=SOURCE, time=system_clock())
        # Nobody needs to listen to progress: unless it is mandatory, an event that goes nowhere is no error.
        await publisher.publish(EVENTS, message.KEY, body, message_id=event_id, mandatory=mandatory)

    return publish

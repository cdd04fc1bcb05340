"""Composition root: open resources in dependency order, close them in reverse."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
from prometheus_client import CollectorRegistry

from services.dispatcher.adapters.account import PostgresAccount
from services.dispatcher.adapters.graph_api import GraphApi
from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.metrics import Metrics
from services.dispatcher.adapters.people import PostgresPeople
from services.dispatcher.adapters.rate_limiter import Limits, PostgresLimiter
from services.dispatcher.adapters.retention import rules
from services.dispatcher.domain.pacing import FREE_SECONDS, permitted_rate, prefetched_batches
from services.dispatcher.handlers import maintenance as todo
from services.dispatcher.handlers.batches import RECIPIENTS_IN_A_BATCH
from services.dispatcher.handlers.events import AccountHandler, PeopleHandler, QuestionHandler, StopHandler
from services.dispatcher.handlers.lanes import Lanes
from services.dispatcher.handlers.recorder import Recorder
from services.dispatcher.handlers.send_loop import SendLoop
from services.dispatcher.handlers.sender import Sender
from services.dispatcher.handlers.statuses import StatusHandler
from services.dispatcher.ports import Publish
from services.dispatcher.settings import Settings
from shared.amqp import topology
from shared.amqp.connection import Connection, connect, connected
from shared.amqp.consumer import open_consumer, work
from shared.amqp.pausable import PausableConsumer
from shared.amqp.publisher import Publisher, open_publisher
from shared.amqp.received import Received
from shared.contracts.envelope import encode
from shared.contracts.message import Lane, Message
from shared.database.migrations import pending_versions
from shared.database.pool import Database, open_database
from shared.database.retention import Retention
from shared.outcome import DependencyAway, Outcome
from shared.runtime.background import repeat
from shared.runtime.clock import system_clock
from shared.runtime.message_handler import MessageHandler
from shared.runtime.post_client import PostClient
from shared.runtime.probes import Readiness, internal_port
from shared.runtime.process import Stop
from shared.sealing import IndexKey, KeyRing

NAME = "dispatcher"
SOURCE = "/kreisfunk/dispatcher"
POOL_SIZE = 8
WORKERS = 4
COUNTER_SLOTS = 32
PREFETCHED_REPLIES = 64
MIGRATIONS = Path(__file__).parent / "adapters" / "migrations"
CLOSE_SECONDS = 3.0


@dataclass(frozen=True)
class Outside:
    """All that a replica is connected to. What it publishes may go nowhere; what it tells may not."""

    settings: Settings
    database: Database
    consuming: Connection
    publishing: Connection
    publish: Publish
    tell: Publish
    graph: GraphApi
    metrics: Metrics


Job = Callable[[], Coroutine[Any, Any, None]]


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
        await _run(*await _assemble(outside, readiness, stack), readiness, stop)


async def _open(settings: Settings, stack: AsyncExitStack) -> tuple[Readiness, Outside]:
    registry = CollectorRegistry()
    database = await stack.enter_async_context(
        open_database(settings.database_url, password=settings.database_secret, name=NAME, size=POOL_SIZE)
    )
    consuming, publishing = [
        await stack.enter_async_context(
            connect(settings.broker_url, password=settings.broker_secret, name=f"{NAME} {purpose}")
        )
        for purpose in ("consumes", "publishes")
    ]
    readiness = Readiness(
        {"database": database.reachable, "broker": connected(consuming, publishing), "lanes": _not_yet}
    )
    await stack.enter_async_context(
        internal_port(host=settings.internal_host, port=settings.internal_port, registry=registry, readiness=readiness)
    )
    async with database.connection() as connection:
        if pending := await pending_versions(connection, NAME, MIGRATIONS):
            raise DependencyAway(f"migrations are pending, run `kreisfunk migrate`: {', '.join(pending)}")
    keys = KeyRing.parse(settings.sealing_keys.get_secret_value())
    index_key = IndexKey.parse(settings.index_key.get_secret_value())
    authorization = {"Authorization": f"Bearer {settings.graph_token.get_secret_value()}"}
    headers = {**authorization, "Content-Type": "application/json"}
    messages = PostClient(f"{settings.number_url}/messages", headers=headers, late_seconds=FREE_SECONDS)
    stack.callback(messages.close)
    session = await stack.enter_async_context(aiohttp.ClientSession(headers=authorization))
    publisher = await stack.enter_async_context(open_publisher(publishing))
    publish, tell = partial(_publish, publisher, mandatory=False), partial(_publish, publisher, mandatory=True)
    limit, most = settings.messages_per_second, settings.max_requests
    metrics = Metrics(registry, limit=limit, max_requests=most, replicas=settings.dispatchers)
    graph = GraphApi(messages, keys, index_key, session, f"{settings.number_url}/contact_book")
    return readiness, Outside(settings, database, consuming, publishing, publish, tell, graph, metrics)


async def _not_yet() -> bool:
    return False


async def _assemble(
    outside: Outside, readiness: Readiness, stack: AsyncExitStack
) -> tuple[SendLoop, Recorder, list[Job]]:
    settings, meter = outside.settings, outside.metrics
    rate, number = permitted_rate(settings.messages_per_second), settings.phone_number_id
    limits = Limits(rate, settings.people_per_day, settings.messages_per_month)
    slot, answer_seconds = uuid4().int % COUNTER_SLOTS, settings.answer_margin_seconds + todo.LATE_ANSWER_SECONDS
    limited = bool(settings.people_per_day or settings.messages_per_month)
    ledger = PostgresLedger(outside.database, number, slot, limited, answer_seconds)
    limiter = PostgresLimiter(outside.database, number=number, limits=limits)
    await ledger.ensure_partitions()
    await limiter.set_up()
    wake = asyncio.Event()
    inboxes = _inboxes(outside, rate, wake)
    handlers = await _open_handlers(outside, ledger, stack)
    recorder = Recorder(ledger, meter)
    lanes = Lanes(ledger=ledger, queues=inboxes, prepare=outside.graph.prepare, wake=wake)
    most, timeout = settings.max_requests, settings.request_timeout_seconds
    sender = Sender(outside.graph, lanes, ledger, limiter, recorder, meter, max_requests=most, timeout=timeout)
    if (address := await ledger.newest_address()) and not outside.graph.can_decrypt(address):
        sender.distrust_keys()
    readiness.add({"lanes": partial(_all_opened, inboxes.values()), "encryption key": sender.can_decrypt})
    jobs = [recorder.run, sender.give_up_late, *(inbox.run for inbox in inboxes.values()), *handlers]
    send_loop = SendLoop(lanes=lanes, limiter=limiter, sender=sender, meter=meter)
    return send_loop, recorder, [*jobs, *_maintenance(outside, ledger, lanes, sender)]


async def _all_opened(inboxes: Collection[PausableConsumer]) -> bool:
    return all(inbox.opened.is_set() for inbox in inboxes)


async def _run(send_loop: SendLoop, recorder: Recorder, jobs: list[Job], readiness: Readiness, stop: Stop) -> None:
    """Send until `stop`; the send loop then ends by itself, the jobs are ended after it."""
    async with asyncio.TaskGroup() as tasks:
        background = [tasks.create_task(job()) for job in jobs]
        sending = tasks.create_task(send_loop.run(max(1.0, stop.drain_seconds - CLOSE_SECONDS)))
        await stop.requested.wait()
        readiness.draining = True
        send_loop.stop()
        await sending
        await recorder.flushed()
        for task in background:
            task.cancel()


def _inboxes(outside: Outside, rate: float, wake: asyncio.Event) -> Mapping[Lane, PausableConsumer]:
    batches = prefetched_batches(rate, RECIPIENTS_IN_A_BATCH)
    prefetch = {Lane.REPLY: max(PREFETCHED_REPLIES, int(rate)), Lane.URGENT: batches, Lane.BULK: batches}
    return {
        lane: PausableConsumer(
            partial(open_consumer, outside.consuming, outside.publishing, queue, prefetch=prefetch[lane]), wake
        )
        for lane, queue in topology.LANES.items()
    }


def _maintenance(outside: Outside, ledger: PostgresLedger, lanes: Lanes, sender: Sender) -> list[Job]:
    settings, meter = outside.settings, outside.metrics
    grace, margin = settings.unknown_grace_seconds, settings.answer_margin_seconds
    people = PostgresPeople(outside.database)
    needed = {kind: asyncio.Event() for kind in ("unknown", "progress", "refusals", "erasures", "follow_ups")}

    def every(seconds: float, action: Callable[[], Awaitable[object]], kind: str | None = None) -> Job:
        return partial(repeat, action, seconds, needed[kind] if kind else None)

    return [
        every(0.25, lambda: todo.find_work(ledger, lanes, needed)),
        every(1.0, lambda: todo.report_backlog(ledger, lanes, sender, meter, system_clock)),
        every(1.0, lambda: todo.requeue_waiting(ledger)),
        every(60.0, retention(outside.database, settings.keep_days, meter).run),
        every(600.0, ledger.ensure_partitions),
        every(1.0, lambda: todo.resolve_unknown(ledger, meter, grace, margin), "unknown"),
        every(0.25, lambda: todo.publish_progress(ledger, outside.publish, grace + margin), "progress"),
        every(1.0, lambda: todo.publish_refusals(ledger, outside.tell), "refusals"),
        every(2.0, lambda: todo.finish_erasures(people, outside.graph.forget_contact), "erasures"),
        every(0.25, lambda: todo.extend_follow_ups(ledger), "follow_ups"),
    ]


async def _open_handlers(outside: Outside, ledger: PostgresLedger, stack: AsyncExitStack) -> list[Job]:
    database, meter = outside.database, outside.metrics
    account = PostgresAccount(database, number=outside.settings.phone_number_id)
    handlers: Mapping[topology.Queue, MessageHandler] = {
        topology.DISPATCHER_STATUSES: StatusHandler(ledger=ledger, meter=meter, clock=system_clock),
        topology.DISPATCHER_STOPS: StopHandler(ledger=ledger),
        topology.DISPATCHER_QUESTIONS: QuestionHandler(ledger=ledger, publish=outside.publish),
        topology.DISPATCHER_PEOPLE: PeopleHandler(people=PostgresPeople(database), publish=outside.tell),
        topology.DISPATCHER_ACCOUNT: AccountHandler(apply=account.apply, seen=meter.account_event),
    }
    workers: list[Job] = []
    for queue, handler in handlers.items():
        consumer = await stack.enter_async_context(
            open_consumer(outside.consuming, outside.publishing, queue, prefetch=WORKERS)
        )
        workers += [partial(work, consumer, partial(_handle, handler))] * WORKERS
    return workers


async def _handle(handler: MessageHandler, received: Received) -> Outcome:
    return await handler.handle(received.body)


async def _publish(publisher: Publisher, message: Message, *, mandatory: bool) -> None:
    event_id = str(uuid4())
    body = encode(message, event_id=event_id, source=SOURCE, time=system_clock())
    await publisher.publish(topology.EVENTS, message.KEY, body, message_id=event_id, mandatory=mandatory)

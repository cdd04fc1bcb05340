"""Composition root: open resources in dependency order, close them in reverse."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
from prometheus_client import CollectorRegistry

from services.dispatcher.adapters.graph_api import GraphApi
from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.metrics import Metrics
from services.dispatcher.adapters.rate_limiter import PostgresAccount, PostgresRateLimiter
from services.dispatcher.adapters.recipients import PostgresRecipientRepository
from services.dispatcher.adapters.retention import build_retention_rules
from services.dispatcher.domain.pacing import SLOT_TOLERANCE_SECONDS, compute_permitted_rate, compute_prefetched_batches
from services.dispatcher.handlers import consumers, maintenance
from services.dispatcher.handlers.lanes import MAX_BATCH_RECIPIENTS, Lanes
from services.dispatcher.handlers.pauses import Pauses
from services.dispatcher.handlers.recorder import Recorder
from services.dispatcher.handlers.send_loop import SendLoop
from services.dispatcher.handlers.sender import Sender
from services.dispatcher.settings import Settings
from shared.amqp import topology
from shared.amqp.connection import Connection, check_connections, connect_twice
from shared.amqp.consumer import Consumer, ReceivedMessage, open_consumer, run_worker
from shared.amqp.pausable import PausableConsumer
from shared.amqp.publisher import Publisher, open_publisher
from shared.contracts import events
from shared.contracts.envelope import encode
from shared.contracts.inbound import AccountEvents, DeliveryStatuses
from shared.contracts.message import Lane, Message
from shared.database.migrations import require_migrated
from shared.database.pool import Database, open_database
from shared.outcome import Outcome
from shared.runtime.availability import Availability
from shared.runtime.background import repeat, run_in_background
from shared.runtime.clock import system_clock
from shared.runtime.post_client import PostClient
from shared.runtime.probes import Readiness, open_internal_port
from shared.runtime.process import StopRequest

NAME = "dispatcher"
SOURCE = "/kreisfunk/dispatcher"
POOL_SIZE = 8
WORKERS_PER_QUEUE = 4
COUNTER_SLOTS = 32
PREFETCHED_REPLIES = 64
MIGRATIONS = Path(__file__).parent / "adapters" / "migrations"
CLOSE_TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True)
class Resources:
    """Connections of a replica."""

    settings: Settings
    database: Database
    availability: Availability
    consuming: Connection
    publishing: Connection
    publisher: Publisher
    graph: GraphApi
    metrics: Metrics

    async def publish(self, message: Message, *, mandatory: bool = False, to: tuple[str, str] | None = None) -> None:
        """Publish an event, or to another exchange and routing key; unless `mandatory`, no queue has to want it."""
        (exchange, key), event_id = to or (topology.EVENTS, message.KEY), str(uuid4())
        body = encode(message, event_id=event_id, source=SOURCE, time=system_clock())
        await self.publisher.publish(exchange, key, body, message_id=event_id, mandatory=mandatory)

    def open_consumer(self, queue: topology.Queue, prefetch: int) -> AbstractAsyncContextManager[Consumer]:
        """Consume a queue, except while this replica does not reach the database: others may reach it."""
        return open_consumer(self.consuming, self.publishing, queue, prefetch=prefetch, needed=self.availability)


Job = Callable[[], Coroutine[Any, Any, None]]
Jobs = list[Job]


async def serve(settings: Settings, stop: StopRequest) -> None:
    """Run until `stop` is requested, then drain: finish and record all requests in flight, and close."""
    async with AsyncExitStack() as stack:
        readiness, resources = await _open(settings, stack)
        await _run(*await _assemble(resources, readiness, stack), readiness, stop)


async def _open(settings: Settings, stack: AsyncExitStack) -> tuple[Readiness, Resources]:
    registry = CollectorRegistry()
    pool = open_database(settings.database_url, password=settings.database_secret, name=NAME, size=POOL_SIZE)
    database = await stack.enter_async_context(pool)
    # Before the port opens: a waiting process would look alive, and dead at each restart.
    await require_migrated(database, NAME, MIGRATIONS)
    connections = connect_twice(settings.broker_url, password=settings.broker_secret, name=NAME)
    consuming, publishing = await stack.enter_async_context(connections)
    broker = partial(check_connections, consuming, publishing)
    readiness = Readiness({"database": database.is_reachable, "broker": broker, "lanes": _report_not_ready})
    await stack.enter_async_context(open_internal_port(settings, registry, readiness))
    authorization = {"Authorization": f"Bearer {settings.graph_token.get_secret_value()}"}
    headers = {**authorization, "Content-Type": "application/json"}
    messages = PostClient(f"{settings.number_url}/messages", headers=headers, late_seconds=SLOT_TOLERANCE_SECONDS)
    stack.callback(messages.close)
    session = await stack.enter_async_context(aiohttp.ClientSession(headers=authorization))
    publisher = await stack.enter_async_context(open_publisher(publishing))
    limit, max_requests = settings.messages_per_second, settings.max_requests
    metrics = Metrics(registry, limit=limit, max_requests=max_requests, replicas=settings.dispatchers)
    graph = GraphApi(messages, settings.ring, settings.index, session, f"{settings.number_url}/contact_book")
    availability = Availability(database.is_answering)
    return readiness, Resources(settings, database, availability, consuming, publishing, publisher, graph, metrics)


async def _report_not_ready() -> bool:
    return False


async def _assemble(
    resources: Resources, readiness: Readiness, stack: AsyncExitStack
) -> tuple[SendLoop, Recorder, Jobs]:
    settings, database, graph, meter = resources.settings, resources.database, resources.graph, resources.metrics
    rate, number = compute_permitted_rate(settings.messages_per_second), settings.phone_number_id
    slot, answer_seconds = uuid4().int % COUNTER_SLOTS, settings.answer_margin_seconds + maintenance.LATE_ANSWER_SECONDS
    ledger = PostgresLedger(database, number, slot, answer_seconds)
    limiter = PostgresRateLimiter(database, number, rate, settings.people_per_day, settings.messages_per_month)
    await ledger.ensure_partitions()
    await limiter.set_up()
    wake = asyncio.Event()
    inboxes = _build_lane_consumers(resources, rate, wake)
    pauses = Pauses(ledger, limiter, meter)
    handlers = await _open_handlers(resources, ledger, pauses, stack)
    recorder = Recorder(ledger, meter)
    lanes = Lanes(ledger=ledger, queues=inboxes, prepare=graph.prepare, wake=wake)
    max_requests, timeout = settings.max_requests, settings.request_timeout_seconds
    sender = Sender(graph, lanes, pauses, limiter, recorder, meter, max_requests=max_requests, timeout=timeout)
    if (address := await ledger.find_newest_address()) and not graph.is_decryptable(address):
        sender.mark_keys_unverified()
    readiness.add({"lanes": partial(_check_all_open, inboxes.values()), "encryption key": sender.has_valid_keys})
    jobs = [recorder.run, sender.cancel_overdue, *(inbox.run for inbox in inboxes.values()), *handlers]
    send_loop = SendLoop(lanes=lanes, limiter=limiter, sender=sender, meter=meter)
    return send_loop, recorder, [*jobs, *_build_maintenance_jobs(resources, ledger, lanes, sender)]


async def _check_all_open(inboxes: Collection[PausableConsumer]) -> bool:
    return all(inbox.opened.is_set() for inbox in inboxes)


async def _run(send_loop: SendLoop, recorder: Recorder, jobs: Jobs, readiness: Readiness, stop: StopRequest) -> None:
    """Send until `stop`; the send loop then drains, and after it the background jobs are cancelled."""
    async with asyncio.TaskGroup() as tasks, run_in_background(*(job() for job in jobs)):
        sending = tasks.create_task(send_loop.run(max(1.0, stop.drain_seconds - CLOSE_TIMEOUT_SECONDS)))
        await stop.requested.wait()
        readiness.draining = True
        send_loop.stop()
        await sending
        await recorder.idle.wait()
        await send_loop.lanes.settle_refusals()


def _build_lane_consumers(resources: Resources, rate: float, wake: asyncio.Event) -> Mapping[Lane, PausableConsumer]:
    batches = compute_prefetched_batches(rate, MAX_BATCH_RECIPIENTS)
    prefetch = {Lane.REPLY: max(PREFETCHED_REPLIES, int(rate)), Lane.URGENT: batches, Lane.BULK: batches}
    return {
        lane: PausableConsumer(partial(resources.open_consumer, queue, prefetch[lane]), wake)
        for lane, queue in topology.LANES.items()
    }


def _build_maintenance_jobs(resources: Resources, ledger: PostgresLedger, lanes: Lanes, sender: Sender) -> Jobs:
    settings, meter = resources.settings, resources.metrics
    grace, margin = settings.unknown_grace_seconds, settings.answer_margin_seconds
    people, rules = PostgresRecipientRepository(resources.database), build_retention_rules(settings.retention_days)
    mandatory, statuses = partial(resources.publish, mandatory=True), topology.DISPATCHER_STATUSES
    # Through a delay tier of our own statuses, so that it is behind those that are queued now.
    publish_mark = partial(mandatory, to=(statuses.retry_exchange, statuses.name_retry_queue("1s")))
    names = ("unknown", "marks", "progress", "refusals", "erasures", "follow_ups")
    triggers = {name: asyncio.Event() for name in names}

    async def publish_progress(*, late: bool = False) -> None:
        # Whoever reads progress marks it as published, so a replica without the broker leaves it to the others.
        if resources.publishing.connected.is_set():
            await maintenance.publish_progress(ledger, resources.publish, meter, grace + margin, late=late)

    def every(seconds: float, action: Callable[[], Awaitable[object]], task: str | None = None) -> Job:
        return partial(repeat, action, seconds, triggers[task] if task else None)

    return [
        resources.availability.watch,
        every(0.25, lambda: maintenance.find_work(ledger, lanes, triggers)),
        every(1.0, lambda: maintenance.report_backlog(ledger, lanes, sender, meter, sender.limiter.read_clock)),
        every(1.0, lambda: maintenance.requeue_waiting(ledger)),
        every(60.0, lambda: meter.retention.run(resources.database, rules)),
        every(600.0, ledger.ensure_partitions),
        every(60.0, sender.limiter.keep_limits),
        every(1.0, lambda: maintenance.resolve_unknown(ledger, meter, grace, margin), "unknown"),
        every(5.0, lambda: maintenance.mark_statuses(publish_mark, system_clock), "marks"),
        every(0.25, publish_progress, "progress"),
        every(60.0, partial(publish_progress, late=True)),
        every(1.0, lambda: maintenance.publish_refusals(ledger, mandatory), "refusals"),
        every(2.0, lambda: maintenance.finish_erasures(people, resources.graph.delete_contact), "erasures"),
        every(0.25, lambda: maintenance.extend_follow_ups(ledger), "follow_ups"),
    ]


async def _open_handlers(resources: Resources, ledger: PostgresLedger, pauses: Pauses, stack: AsyncExitStack) -> Jobs:
    database, meter, mandatory = resources.database, resources.metrics, partial(resources.publish, mandatory=True)
    account = PostgresAccount(database, number=resources.settings.phone_number_id)
    recipients = PostgresRecipientRepository(database)
    actions: Mapping[topology.Queue, consumers.Actions] = {
        topology.DISPATCHER_STATUSES: {
            DeliveryStatuses: consumers.StatusHandler(ledger=ledger, pauses=pauses, meter=meter).apply
        },
        topology.DISPATCHER_SUPPRESSIONS: {
            events.SubscriptionEnded: partial(consumers.withdraw, ledger),
            events.BroadcastCancelled: lambda cancelled: ledger.cancel(cancelled.broadcast, cancelled.reason),
        },
        topology.DISPATCHER_PROGRESS_REQUESTS: {
            events.NoticeAccepted: partial(consumers.repeat_progress, ledger, resources.publish)
        },
        topology.DISPATCHER_ERASURES: {
            events.SubscriberErased: recipients.register_erasure,
            events.ReactionReceived: partial(consumers.locate_reaction, recipients, mandatory),
        },
        topology.DISPATCHER_ACCOUNT: {AccountEvents: partial(consumers.apply_account_events, account.apply, meter)},
    }
    workers: Jobs = []
    for queue, queue_actions in actions.items():
        consumer = await stack.enter_async_context(resources.open_consumer(queue, WORKERS_PER_QUEUE))
        workers += [partial(run_worker, consumer, partial(_handle, queue_actions))] * WORKERS_PER_QUEUE
    return workers


async def _handle(actions: consumers.Actions, received: ReceivedMessage) -> Outcome:
    return await consumers.handle_message(actions, received.body)

"""Consumer of events, and counter of messages in the queues that an operator has to look at."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

import structlog

from services.newsroom.adapters.event_consumer import NewsroomEventHandler
from services.newsroom.adapters.queue_counts import STRANDED_QUEUES, StrandedCounts
from services.newsroom.settings import Settings
from shared.amqp.connection import connect_twice
from shared.amqp.consumer import open_consumer, run_worker
from shared.amqp.inspection import count_by_queue
from shared.amqp.topology import NEWSROOM_EVENTS
from shared.outcome import DependencyUnavailable
from shared.runtime.process import StopRequest

BROKER_RETRY_SECONDS = 1.0
MAX_UNSETTLED = 20

_log = structlog.get_logger()


async def consume_events(
    settings: Settings, events: NewsroomEventHandler, stranded: StrandedCounts, stop: StopRequest
) -> None:
    """Consume until a stop is requested; while the broker is away, the pages work without it."""
    while not stop.requested.is_set():
        try:
            async with AsyncExitStack() as stack:
                consuming, publishing = await stack.enter_async_context(
                    connect_twice(settings.broker_url, password=settings.broker_secret, name="newsroom")
                )
                opened = open_consumer(consuming, publishing, NEWSROOM_EVENTS, prefetch=MAX_UNSETTLED)
                consumer = await stack.enter_async_context(opened)
                stack.enter_context(stranded.use(partial(count_by_queue, publishing, STRANDED_QUEUES)))
                await stranded.refresh()
                await run_worker(consumer, lambda received: events.handle(received.body), until=stop.requested)
        except DependencyUnavailable as error:
            _log.warning("dependency_unavailable", error=str(error))
            await asyncio.sleep(BROKER_RETRY_SECONDS)

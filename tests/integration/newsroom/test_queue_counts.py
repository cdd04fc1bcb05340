"""Counts of unhandled messages, also from a distant broker."""

from functools import partial

from aio_pika import Message

from services.newsroom.adapters.queue_counts import COUNTED_QUEUES, QueueCounts
from shared.amqp import topology
from shared.amqp.connection import connect
from shared.amqp.inspection import count_by_queue
from tests.harness.ingress_queues import open_queues
from tests.proxy import NetworkConditions, run_proxy_to

FAR = NetworkConditions(latency_seconds=0.02)


async def test_a_broker_far_away_is_asked_in_time(vhost: str) -> None:
    async with open_queues(vhost) as queues, run_proxy_to(vhost) as (proxy, url):
        await queues.channel.default_exchange.publish(Message(b"no webhook"), topology.QUARANTINE)
        proxy.set_conditions(FAR)
        async with connect(url, password=None, name="test") as connection:
            counts = QueueCounts()
            with counts.use(partial(count_by_queue, connection, (*COUNTED_QUEUES, "never.declared"))):
                await counts.refresh()
                assert counts.counts == {topology.QUARANTINE: 1}

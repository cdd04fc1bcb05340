"""An orderly stop looks like one in the log: nobody has to wonder about a warning."""

import json
from pathlib import Path

import aio_pika

from shared.amqp.topology import NEWSROOM_EVENTS
from tests.databases import FreshDatabase
from tests.harness.newsroom import run_newsroom
from tests.proxy import NetworkConditions, run_proxy_to
from tests.servers import wait_for

FAR = NetworkConditions(latency_seconds=0.005)


async def test_a_stop_leaves_no_warning_however_far_the_broker_is(
    newsroom_broker: str, vhost: str, module_database: FreshDatabase, tmp_path: Path
) -> None:
    async with (
        await aio_pika.connect(vhost) as connection,
        await connection.channel() as channel,
        run_proxy_to(newsroom_broker) as (proxy, url),
    ):
        proxy.set_conditions(FAR)

        async def consumes() -> bool:
            declared = await channel.declare_queue(NEWSROOM_EVENTS.name, passive=True)
            return bool(declared.declaration_result.consumer_count)

        async with run_newsroom(url, module_database, tmp_path) as newsroom:
            await wait_for(consumes)
    lines = [json.loads(line) for line in newsroom.log.splitlines()]
    begins = [line["event"] for line in lines].index("stop_requested")
    assert lines[-1]["event"] == "stopped"
    assert [line for line in lines[begins:] if line["level"] != "info"] == []

"""Publishes one notice over AMQP and prints the answer. Needs Python 3.11 and aio-pika.

BROKER_URL is amqps://<login>:<password>@<host>/%2F, KREISFUNK_SOURCE the source that belongs to the login.
"""

import asyncio
import json
import os
import sys
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote, urlsplit

import aio_pika

URL = os.environ["BROKER_URL"]
SOURCE = os.environ.get("KREISFUNK_SOURCE", "/landkreis-osterholz/pressestelle")
LOGIN = unquote(urlsplit(URL).username or "")


def build_event(notice: str, identifier: str) -> dict[str, object]:
    now = datetime.now(UTC)
    return {
        "specversion": "1.0",
        "id": identifier,
        "source": SOURCE,
        "type": "de.kreisfunk.notice.published.v1",
        "time": now.isoformat(),
        "subject": notice,
        "expirytime": (now + timedelta(hours=12)).isoformat(),
        "datacontenttype": "application/json",
        "data": {
            "topic": "strassensperrungen",
            "headline": "Vollsperrung K 9",
            "text": "Die Umleitung ist ausgeschildert.",
        },
    }


async def main(notice: str) -> int:
    identifier = f"{notice}-1"  # the same if you publish it again: nothing is sent twice
    message = aio_pika.Message(
        json.dumps(build_event(notice, identifier)).encode(),
        content_type="application/cloudevents+json",
        message_id=identifier,
        user_id=LOGIN,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
    async with await aio_pika.connect(URL) as connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        await channel.set_qos(prefetch_count=100)  # required for a stream
        answers = await channel.get_queue("municipal.answers", ensure=False)
        exchange = await channel.get_exchange("municipal.events", ensure=False)
        # Consume before publishing: the answer may be fast.
        async with answers.iterator(arguments={"x-stream-offset": "next"}, timeout=30) as arriving:
            await exchange.publish(message, "notice.published", timeout=30)  # returns with the broker's confirm
            with suppress(TimeoutError):
                async for answer in arriving:
                    await answer.ack()
                    said = json.loads(answer.body)
                    if (said["data"].get("source"), said["data"].get("event")) == (SOURCE, identifier):
                        print(said["type"], json.dumps(said["data"], ensure_ascii=False))
                        return 3 if "rejected" in said["type"] else 0
    return 5  # our service is unavailable, and will answer when it is back


# Your own id of the notice. Store it with the body: to publish again, publish exactly this one.
sys.exit(asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else f"sperrung-{uuid.uuid4()}")))

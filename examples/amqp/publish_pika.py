"""Publishes one notice over AMQP and tells what became of it. Needs Python 3.11 and pika.

BROKER_URL is amqps://<login>:<password>@<host>/%2F, KREISFUNK_SOURCE the source that belongs to the login.
"""

import json
import os
import sys
import uuid
from datetime import UTC, datetime, timedelta

import pika

SOURCE = os.environ.get("KREISFUNK_SOURCE", "/landkreis-osterholz/pressestelle")

# Your own id of the notice. Keep it with the body: whoever publishes again publishes exactly this one.
notice = sys.argv[1] if len(sys.argv) > 1 else f"sperrung-{uuid.uuid4()}"
identifier = f"{notice}-1"  # the same when you publish it again: nothing is sent twice
now = datetime.now(UTC)
event = {
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

parameters = pika.URLParameters(os.environ["BROKER_URL"])
login = parameters.credentials.username
with pika.BlockingConnection(parameters) as connection:
    channel = connection.channel()
    channel.confirm_delivery()
    queue = channel.queue_declare(f"municipal.{login}.{uuid.uuid4()}", exclusive=True).method.queue
    for key in ("notice.accepted", "notice.rejected"):
        channel.queue_bind(queue, "kreisfunk.events", key)  # before publishing: the answer may be fast
    properties = pika.BasicProperties(
        content_type="application/cloudevents+json",
        message_id=identifier,
        user_id=login,
        delivery_mode=pika.DeliveryMode.Persistent.value,
    )
    # Returns with the broker's confirm, and raises if it says no.
    channel.basic_publish(
        "municipal.events", "notice.published", json.dumps(event).encode(), properties, mandatory=True
    )
    for method, _, body in channel.consume(queue, auto_ack=True, inactivity_timeout=30):
        if method is None:
            sys.exit(5)  # no answer: our service is away, and answers when it is back
        said = json.loads(body)
        if (said["data"]["source"], said["data"]["event"]) == (SOURCE, identifier):
            print(said["type"], json.dumps(said["data"], ensure_ascii=False))
            sys.exit(3 if "rejected" in said["type"] else 0)

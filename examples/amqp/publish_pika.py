"""Publishes one notice over AMQP and prints the answer. Needs Python 3.11 and pika.

BROKER_URL is amqps://<login>:<password>@<host>/%2F, KREISFUNK_SOURCE the source that belongs to the login.
"""

import json
import os
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta

import pika

SOURCE = os.environ.get("KREISFUNK_SOURCE", "/landkreis-osterholz/pressestelle")

# Your own id of the notice. Store it with the body: to publish again, publish exactly this one.
notice = sys.argv[1] if len(sys.argv) > 1 else f"sperrung-{uuid.uuid4()}"
identifier = f"{notice}-1"  # the same if you publish it again: nothing is sent twice
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

answers = []


def take(channel, method, properties, body):
    channel.basic_ack(method.delivery_tag)
    said = json.loads(body)
    if (said["data"].get("source"), said["data"].get("event")) == (SOURCE, identifier):
        answers.append(said)


parameters = pika.URLParameters(os.environ["BROKER_URL"])
login = parameters.credentials.username
with pika.BlockingConnection(parameters) as connection:
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_qos(prefetch_count=100)  # required for a stream
    # Consume before publishing: the answer may be fast.
    channel.basic_consume("municipal.answers", take, arguments={"x-stream-offset": "next"})
    properties = pika.BasicProperties(
        content_type="application/cloudevents+json",
        message_id=identifier,
        user_id=login,
        delivery_mode=pika.DeliveryMode.Persistent.value,
    )
    # Returns with the broker's confirm, and raises if the broker rejects it.
    channel.basic_publish(
        "municipal.events", "notice.published", json.dumps(event).encode(), properties, mandatory=True
    )
    until = time.monotonic() + 30
    while not answers and time.monotonic() < until:
        connection.process_data_events(1)
if not answers:
    sys.exit(5)  # our service is unavailable, and will answer when it is back
print(answers[0]["type"], json.dumps(answers[0]["data"], ensure_ascii=False))
sys.exit(3 if "rejected" in answers[0]["type"] else 0)

"""Publishes as much as the broker takes: `python -m tests.integration.neighbours.flood URL MEGABYTES SIZE COUNT`.

COUNT connections share MEGABYTES of messages of SIZE bytes, without waiting for confirms.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import pika  # type: ignore[import-untyped]  # it has no types

from shared.amqp.topology import MUNICIPAL_EVENTS
from shared.contracts.envelope import CONTENT_TYPE


def flood(url: str, messages: int, size: int) -> None:
    parameters = pika.URLParameters(url)
    properties = pika.BasicProperties(content_type=CONTENT_TYPE, user_id=parameters.credentials.username)
    body = b"x" * size
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        for _ in range(messages):
            channel.basic_publish(MUNICIPAL_EVENTS, "notice.published", body, properties)


if __name__ == "__main__":
    megabytes, size, count = (int(argument) for argument in sys.argv[2:])
    messages = megabytes * 1_000_000 // size // count
    with ThreadPoolExecutor(count) as threads:
        for done in [threads.submit(flood, sys.argv[1], messages, size) for _ in range(count)]:
            done.result()

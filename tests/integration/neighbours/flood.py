"""Does its worst until it is ended: `python -m tests.integration.neighbours.flood URL WAY SIZE CONNECTIONS CHANNELS`.

Nothing waits for a confirm, and whoever is cut off or refused connects again. Prints a line for each megabyte, answer,
question for all answers, broken channel, and cut.
"""

import json
import os
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import cycle, islice

import pika  # type: ignore[import-untyped]  # it has no types
from pika.exceptions import AMQPError  # type: ignore[import-untyped]

from shared.amqp.topology import ANSWERS, MUNICIPAL_EVENTS
from shared.contracts.envelope import CONTENT_TYPE
from tests.harness.notices_api import STRUCTURED, UPDATED, data, event

KEY = "notice.published"
SOURCE = "/landkreis-osterholz/pressestelle"
ANNOUNCED = 512 * 1024 * 1024  # of a message that never ends; more is refused at once
FRAGMENT = 65_536
MEGABYTE = 1_000_000
MAX_AHEAD = 65_535  # messages that a consumer may have unacknowledged; AMQP knows no greater number
CONSUMERS = 50  # of each channel
LEAST_POLITE = 19  # a neighbour has a machine of its own: ours is for the broker and for us

Sent = Iterator[int]


def publish(channels: list[pika.channel.Channel], properties: pika.BasicProperties, size: int) -> Sent:
    for channel in cycle(channels):
        channel.basic_publish(MUNICIPAL_EVENTS, KEY, b"x" * size, properties)
        yield size


def publish_headers(channels: list[pika.channel.Channel], properties: pika.BasicProperties, size: int) -> Sent:
    """Nothing but headers, which no bound of a queue counts; they expire at once, so that no number bounds them."""
    properties.headers, properties.expiration, properties.delivery_mode = {"x": "x" * size}, "0", 2
    for channel in cycle(channels):
        channel.basic_publish(MUNICIPAL_EVENTS, KEY, b"", properties)
        yield size


def publish_early(channels: list[pika.channel.Channel], properties: pika.BasicProperties, size: int) -> Sent:
    """Changes of notices that nobody published, and may yet come: each is looked at several times."""
    properties.content_type, properties.delivery_mode = STRUCTURED, 2
    for channel in cycle(channels):
        change = event(data=data(text="x" * size, revision=2), type=UPDATED, source=SOURCE)
        body = json.dumps(change).encode()
        channel.basic_publish(MUNICIPAL_EVENTS, "notice.updated", body, properties)
        yield len(body)


def break_channels(channels: list[pika.channel.Channel], properties: pika.BasicProperties, size: int) -> Sent:
    """Headers that nobody can read, for which RabbitMQ ends the channel and writes it down with all that it held."""
    for channel in channels:
        send(channel, pika.spec.Basic.Publish(exchange=MUNICIPAL_EVENTS, routing_key=KEY))
        table = struct.pack(">I", size) + b"\x01x" + b"?" * (size - 2)
        content = struct.pack(">HHQH", pika.spec.Basic.INDEX, 0, 0, pika.BasicProperties.FLAG_HEADERS) + table
        frame = struct.pack(">BHI", pika.spec.FRAME_HEADER, channel.channel_number, len(content)) + content
        channel.connection._impl._output_marshaled_frames([frame + bytes((pika.spec.FRAME_END,))])
        channel.connection._flush_output()
        say("broken")
        yield size


def hold_in_transactions(channels: list[pika.channel.Channel], properties: pika.BasicProperties, size: int) -> Sent:
    for channel in channels:
        channel.tx_select()
    yield from publish(channels, properties, size)


def leave_unfinished(channels: list[pika.channel.Channel], properties: pika.BasicProperties, _: int) -> Sent:
    for channel in channels:
        send(channel, pika.spec.Basic.Publish(exchange=MUNICIPAL_EVENTS, routing_key=KEY))
        send_frame(channel, pika.frame.Header(channel.channel_number, ANNOUNCED, properties))
    for channel in islice(cycle(channels), len(channels) * (ANNOUNCED // FRAGMENT - 1)):
        send_frame(channel, pika.frame.Body(channel.channel_number, b"x" * FRAGMENT))
        yield FRAGMENT


def repeat_answers(channels: list[pika.channel.Channel], properties: pika.BasicProperties, _: int) -> Sent:
    """Publish each answer twice, as notices, which are answered again."""
    channel = channels[0]
    channel.basic_qos(prefetch_count=MAX_AHEAD)
    channel.basic_publish(MUNICIPAL_EVENTS, KEY, b"{}", properties)
    for method, _said, body in channel.consume(ANSWERS, arguments={"x-stream-offset": "next"}):
        channel.basic_ack(method.delivery_tag)
        for _time in range(2):
            channel.basic_publish(MUNICIPAL_EVENTS, KEY, body, properties)
        say("answer")
        yield len(body)


def leave_unread(channels: list[pika.channel.Channel], _properties: pika.BasicProperties, _: int) -> Sent:
    """Ask for all that was ever answered, many times at once, and take nothing from the socket."""
    for channel in channels:
        channel.basic_qos(prefetch_count=MAX_AHEAD)
    for tag, channel in ((str(number), channel) for number in range(CONSUMERS) for channel in channels):
        first = {"x-stream-offset": "first"}
        send(channel, pika.spec.Basic.Consume(queue=ANSWERS, consumer_tag=tag, nowait=True, arguments=first))
        say("question")
    threading.Event().wait()
    yield 0


def leave_unanswered(channels: list[pika.channel.Channel], _properties: pika.BasicProperties, _: int) -> Sent:
    """Ask what needs no permission, without end, and take no answer from the socket."""
    socket = channels[0].connection._impl._transport._sock
    socket.setblocking(True)
    declare = pika.spec.Queue.Declare(queue=ANSWERS, passive=True)
    asked = b"".join(pika.frame.Method(channel.channel_number, declare).marshal() for channel in channels) * 200
    try:
        while True:
            socket.sendall(asked)
            yield len(asked)
    finally:
        socket.setblocking(False)  # the library would wait for an answer to its goodbye


def send(channel: pika.channel.Channel, method: pika.amqp_object.Method) -> None:
    send_frame(channel, pika.frame.Method(channel.channel_number, method))


def send_frame(channel: pika.channel.Channel, frame: pika.frame.Frame) -> None:
    """By way of the library's inside, which finishes what it begins otherwise."""
    channel.connection._impl._output_marshaled_frames([frame.marshal()])
    channel.connection._flush_output()


WAYS: Mapping[str, Callable[[list[pika.channel.Channel], pika.BasicProperties, int], Sent]] = {
    "published": publish,
    "headers": publish_headers,
    "early": publish_early,
    "broken": break_channels,
    "uncommitted": hold_in_transactions,
    "unfinished": leave_unfinished,
    "looped": repeat_answers,
    "unread": leave_unread,
    "unanswered": leave_unanswered,
}


def run_flood(url: str, way: str, size: int, channels: int) -> None:
    parameters = pika.URLParameters(url)
    properties = pika.BasicProperties(content_type=CONTENT_TYPE, user_id=parameters.credentials.username)
    while True:
        try:
            with pika.BlockingConnection(parameters) as connection:
                opened = [connection.channel() for _ in range(channels)]
                report(WAYS[way](opened, properties, size))
                connection.process_data_events(None)  # holds what it has
        except (AMQPError, OSError):
            say("cut")
            time.sleep(0.05)


def report(sent: Sent) -> None:
    unreported = 0
    for size in sent:
        unreported += size
        while unreported >= MEGABYTE:
            say("megabyte")
            unreported -= MEGABYTE


def say(what: str) -> None:
    """In one piece, whoever else speaks."""
    os.write(sys.stdout.fileno(), f"{what}\n".encode())


if __name__ == "__main__":
    os.nice(LEAST_POLITE)
    url, way, *numbers = sys.argv[1:]
    size, count, channels = map(int, numbers)
    for _ in range(count):
        threading.Thread(target=run_flood, args=(url, way, size, channels), daemon=True).start()
    sys.stdin.read()

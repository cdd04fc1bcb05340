"""The door put together."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from services.ingress.door.adapters.http.server import application, door_port
from services.ingress.door.adapters.metrics import DoorMetrics
from services.ingress.door.adapters.outbox import BrokerOutbox
from services.ingress.door.adapters.tokens import TokenFile
from services.ingress.door.domain.buckets import Buckets, Rate
from services.ingress.door.domain.clients import Network
from services.ingress.door.domain.view import View
from services.ingress.door.handlers.board import Board
from services.ingress.door.handlers.desk import Desk
from services.ingress.door.handlers.guard import Guard
from shared.amqp.publisher import PatientPublisher
from shared.amqp.stream import Streamed, StreamReader
from shared.municipal.binding import AmqpMessage
from shared.municipal.configuration import Configuration
from shared.municipal.file import read_configuration
from shared.runtime.background import background
from shared.runtime.clock import system_clock

WRONG_TOKENS = Rate(burst=20, per_second=1 / 3)
BURST_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the door is, and what it is told about the county."""

    host: str
    port: int
    county_file: Path
    tokens_file: Path
    proxies: Sequence[Network]
    requests_per_minute: int
    reader: StreamReader
    login: str
    shutdown_seconds: float


@asynccontextmanager
async def open_door(place: Place, publisher: PatientPublisher, registry: CollectorRegistry) -> AsyncIterator[None]:
    """Open until the block ends. Raises ConfigurationFileError."""
    configuration = read_configuration(place.county_file, Configuration)
    metrics = DoorMetrics(registry)
    view = View({source: system.name for system in configuration.systems for source in system.sources})
    reader = place.reader
    board = Board(view, system_clock, lambda: reader.is_current, place.login)
    app = application(
        guard=_guard(place, configuration, metrics),
        desk=Desk(
            configuration=configuration,
            outbox=BrokerOutbox(publisher, place.login),
            board=board,
            clock=system_clock,
            meter=metrics,
        ),
        board=board,
        metrics=metrics,
        proxies=place.proxies,
    )
    listening = door_port(app, host=place.host, port=place.port, shutdown_seconds=place.shutdown_seconds)
    async with background(reader.run(lambda message: board.hear(_as_message(message), message.place))), listening:
        yield


def _as_message(streamed: Streamed) -> AmqpMessage:
    return AmqpMessage(
        body=streamed.body, login=streamed.login, content_type=streamed.content_type, headers=streamed.headers
    )


def _guard(place: Place, configuration: Configuration, metrics: DoorMetrics) -> Guard:
    per_second = place.requests_per_minute / 60
    return Guard(
        tokens=TokenFile(place.tokens_file),
        configuration=configuration,
        failures=Buckets(rate=WRONG_TOKENS),
        requests=Buckets(rate=Rate(burst=max(1, round(per_second * BURST_SECONDS)), per_second=per_second)),
        clock=system_clock,
        seconds=time.monotonic,
        meter=metrics,
    )

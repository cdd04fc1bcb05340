"""The notices API put together: probes outside, then the broker, what is read from it, and the port inside."""

import time

from aiohttp import web
from prometheus_client import CollectorRegistry

from services.ingress.door.adapters.http.server import application, door_port
from services.ingress.door.adapters.metrics import DoorMetrics
from services.ingress.door.adapters.outbox import BrokerOutbox
from services.ingress.door.adapters.tokens import TokenFile
from services.ingress.door.domain.buckets import Buckets, Rate
from services.ingress.door.domain.view import View
from services.ingress.door.handlers.board import Board
from services.ingress.door.handlers.desk import Desk
from services.ingress.door.handlers.guard import Guard
from services.ingress.door.handlers.questions import QuestionService
from services.ingress.door.settings import Settings
from shared.amqp.publisher import PatientPublisher
from shared.amqp.stream import Streamed, StreamReader
from shared.amqp.topology import PROGRESS
from shared.municipal.binding import AmqpMessage
from shared.municipal.configuration import Configuration
from shared.municipal.file import read_configuration
from shared.runtime.background import background
from shared.runtime.clock import system_clock
from shared.runtime.probes import Readiness, internal_port
from shared.runtime.process import Stop

NAME = "notices"
PROGRESS_SHOWN = "7D"
LONGEST_SHUTDOWN_SECONDS = 5.0
WRONG_TOKENS = Rate(burst=20, per_second=1 / 3)
BURST_SECONDS = 10


async def serve(settings: Settings, stop: Stop) -> None:
    """Serve until a stop is asked for, then answer what is in flight. Raises ConfigurationFileError."""
    configuration = read_configuration(settings.county_file, Configuration)
    registry = CollectorRegistry()
    publisher = PatientPublisher()
    readiness = Readiness({"broker": publisher.usable})
    reader = StreamReader(
        url=settings.broker_url,
        password=settings.broker_secret,
        name=f"{NAME} reads",
        stream=PROGRESS,
        begin=PROGRESS_SHOWN,
    )
    view = View({source: system.name for system in configuration.systems for source in system.sources})
    outbox = BrokerOutbox(publisher, settings.login)
    questions = QuestionService(outbox, system_clock)
    board = Board(view, system_clock, lambda: reader.is_current, settings.login, questions)
    app = _application(settings, configuration, board, outbox, DoorMetrics(registry))
    async with (
        internal_port(host=settings.internal_host, port=settings.internal_port, registry=registry, readiness=readiness),
        publisher.connecting(settings.broker_url, password=settings.broker_secret, name=NAME),
        background(reader.run(lambda message: board.hear(_as_message(message), message.place))),
        door_port(
            app,
            host=settings.door_host,
            port=settings.door_port,
            shutdown_seconds=min(LONGEST_SHUTDOWN_SECONDS, settings.drain_seconds / 2),
        ),
    ):
        await stop.requested.wait()
        readiness.draining = True


def _application(
    settings: Settings, configuration: Configuration, board: Board, outbox: BrokerOutbox, metrics: DoorMetrics
) -> web.Application:
    return application(
        guard=_guard(settings, configuration, metrics),
        desk=Desk(
            configuration=configuration,
            outbox=outbox,
            board=board,
            questions=board.questions,
            clock=system_clock,
            meter=metrics,
        ),
        board=board,
        metrics=metrics,
        proxies=settings.door_proxy_networks,
    )


def _as_message(streamed: Streamed) -> AmqpMessage:
    return AmqpMessage(
        body=streamed.body, login=streamed.login, content_type=streamed.content_type, headers=streamed.headers
    )


def _guard(settings: Settings, configuration: Configuration, metrics: DoorMetrics) -> Guard:
    per_second = settings.door_requests_per_minute / 60
    return Guard(
        tokens=TokenFile(settings.door_tokens_file),
        configuration=configuration,
        failures=Buckets(rate=WRONG_TOKENS),
        requests=Buckets(rate=Rate(burst=max(1, round(per_second * BURST_SECONDS)), per_second=per_second)),
        clock=system_clock,
        seconds=time.monotonic,
        meter=metrics,
    )

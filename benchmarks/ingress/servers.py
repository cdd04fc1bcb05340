"""The servers to compare, each started as a process: `python -m benchmarks.ingress.servers NAME PORT [BYTES]`.

`bare` reads the body and answers 200, with a page of BYTES: the cost of HTTP alone. `dry` does everything that the
ingress does except publishing: the limit. `each` does everything, but publishes the events of each webhook as a
separate message and waits for its confirm.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractExchange
from aiohttp import web
from prometheus_client import CollectorRegistry

from deploy.local.ports import LOOPBACK
from services.ingress.settings import Settings
from services.ingress.webhook.api import open_public_port
from services.ingress.webhook.events import GROUP_TYPES, Chunk, EncodedEvents, Event, join_chunks
from services.ingress.webhook.metrics import Metrics
from services.ingress.webhook.receiver import Outbox, Receiver
from shared.amqp.topology import INBOUND
from shared.contracts.envelope import wrap_data
from shared.runtime.clock import system_clock
from shared.runtime.http_port import KEEPALIVE_TIMEOUT_SECONDS
from shared.runtime.process import StopRequest, run
from shared.runtime.settings import read_settings


class PublishEach:
    """Outbox that publishes one confirmed message for each webhook (and each type of event in it)."""

    def __init__(self, exchange: AbstractExchange) -> None:
        self._exchange = exchange

    async def store(self, packed: EncodedEvents) -> None:
        await asyncio.gather(*(self._publish(kind, slices) for kind, slices in packed.items()))

    async def _publish(self, kind: type[Event], slices: Sequence[Chunk]) -> None:
        identifier = str(uuid4())
        message = GROUP_TYPES[kind]
        body = wrap_data(
            message, join_chunks(kind, slices), event_id=identifier, source="/benchmark", time=system_clock()
        )
        persistent = aio_pika.DeliveryMode.PERSISTENT
        await self._exchange.publish(
            aio_pika.Message(body, message_id=identifier, delivery_mode=persistent), message.KEY
        )


class StoreNothing:
    """Outbox that discards everything: the ingress without its broker."""

    async def store(self, packed: EncodedEvents) -> None:
        pass


async def run_bare(port: int, stop: StopRequest) -> None:
    page = b"x" * int(sys.argv[3] if len(sys.argv) > 3 else 0)

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=page)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=KEEPALIVE_TIMEOUT_SECONDS)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, port).start()
    await stop.requested.wait()
    await runner.cleanup()


async def run_dry(port: int, stop: StopRequest) -> None:
    await _receive(read_settings(Settings), StoreNothing(), port, stop)


async def run_each(port: int, stop: StopRequest) -> None:
    settings = read_settings(Settings)
    async with await aio_pika.connect_robust(os.environ["BENCHMARK_BROKER_URL"]) as connection:
        channel = await connection.channel(on_return_raises=True)
        outbox = PublishEach(await channel.get_exchange(INBOUND, ensure=False))
        await _receive(settings, outbox, port, stop)


async def _receive(settings: Settings, outbox: Outbox, port: int, stop: StopRequest) -> None:
    receiver = Receiver(
        app_secrets=settings.app_secret_values,
        verify_token=settings.verify_token.get_secret_value(),
        phone_number_id=settings.phone_number_id,
        encrypt=settings.ring.encrypt,
        index=settings.index,
        clock=system_clock,
        outbox=outbox,
        meter=Metrics(CollectorRegistry()),
    )
    async with open_public_port(receiver, host=LOOPBACK, port=port, shutdown_seconds=1):
        await stop.requested.wait()


SERVERS: dict[str, Callable[[int, StopRequest], Awaitable[None]]] = {"bare": run_bare, "dry": run_dry, "each": run_each}

if __name__ == "__main__":
    run(partial(SERVERS[sys.argv[1]], int(sys.argv[2])), drain_seconds=10)

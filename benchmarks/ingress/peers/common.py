"""Parts of both peers: a confirming channel to the broker, and a server."""

# mypy: disable-error-code="import-not-found, untyped-decorator"

import os

import aio_pika
import uvicorn
from aio_pika.abc import AbstractExchange
from fastapi import FastAPI

QUEUE = "benchmark.peers"
SECRET = os.environ["BENCHMARK_APP_SECRET"]


class Broker:
    """Publisher of one confirmed, persistent message for each event to a quorum queue."""

    def __init__(self) -> None:
        self._exchange: AbstractExchange | None = None

    async def open(self) -> None:
        connection = await aio_pika.connect_robust(os.environ["BENCHMARK_BROKER_URL"])
        channel = await connection.channel(publisher_confirms=True)
        self._exchange = channel.default_exchange

    async def publish(self, body: bytes) -> None:
        if self._exchange is None:
            raise RuntimeError("not connected")
        await self._exchange.publish(aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT), QUEUE)


def serve(app: FastAPI) -> None:
    """Serve on the port that the benchmark chose, with uvloop and httptools."""
    port = int(os.environ["KREISFUNK_LISTEN_PORT"])
    uvicorn.run(
        app, host="127.0.0.1", port=port, log_level="warning", access_log=False, loop="uvloop", http="httptools"
    )

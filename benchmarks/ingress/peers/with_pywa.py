"""pywa as in its documentation; it answers before its handler has run, and reads one status of each webhook."""

# mypy: disable-error-code="import-not-found, untyped-decorator"

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from pywa_async import WhatsApp, types

from benchmarks.ingress.peers.common import SECRET, Broker, serve

broker = Broker()


@asynccontextmanager
async def connect_broker(_: FastAPI) -> AsyncIterator[None]:
    await broker.open()
    yield


app = FastAPI(lifespan=connect_broker)
whatsapp = WhatsApp(
    phone_id="700800900100200",
    token="of-the-benchmark",  # noqa: S106 - it is never sent anywhere
    server=app,
    webhook_endpoint="/webhook",
    verify_token="of-the-benchmark",  # noqa: S106 - the handshake is not measured
    app_secret=SECRET,
)


@whatsapp.on_message_status
async def publish_status(_: WhatsApp, update: types.MessageStatus) -> None:
    await broker.publish(json.dumps({"id": update.id, "status": str(update.status)}).encode())


if __name__ == "__main__":
    serve(app)

"""FastAPI as in most tutorials: signature, JSON, and one confirmed publish for each status."""

# mypy: disable-error-code="import-not-found, untyped-decorator"

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response

from benchmarks.ingress.peers.common import SECRET, Broker, serve

broker = Broker()


@asynccontextmanager
async def connect_broker(_: FastAPI) -> AsyncIterator[None]:
    await broker.open()
    yield


app = FastAPI(lifespan=connect_broker)


@app.post("/webhook")
async def receive_webhook(request: Request) -> Response:
    body = await request.body()
    expected = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, request.headers.get("x-hub-signature-256", "")):
        return Response(status_code=401)
    for entry in json.loads(body)["entry"]:
        for change in entry["changes"]:
            for status in change["value"].get("statuses", ()):
                await broker.publish(json.dumps(status).encode())
    return Response()


if __name__ == "__main__":
    serve(app)

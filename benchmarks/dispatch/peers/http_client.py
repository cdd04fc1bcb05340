"""One blocking client per thread, as threads that share a client contend for its pool's lock."""

import ssl
import threading

import httpx  # type: ignore[import-not-found, unused-ignore]

from benchmarks.dispatch.peers.common import ENDPOINT_URL, HEADERS

TIMEOUT_SECONDS = 20
_context = ssl.create_default_context()  # creating one takes longer than sending a thousand messages
_of_thread = threading.local()


def send(body: str) -> None:
    if not hasattr(_of_thread, "client"):
        _of_thread.client = httpx.Client(headers=HEADERS, timeout=TIMEOUT_SECONDS, verify=_context)
    _of_thread.client.post(ENDPOINT_URL, content=body.encode()).raise_for_status()

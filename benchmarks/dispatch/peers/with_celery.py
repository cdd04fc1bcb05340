"""Celery with one httpx client for each process."""

from functools import cache

import httpx  # type: ignore[import-not-found]
from celery import Celery  # type: ignore[import-not-found]

from benchmarks.dispatch.message import HEADERS
from benchmarks.dispatch.peers.surroundings import BROKER_URL, ENDPOINT_URL, IN_FLIGHT, bodies

app = Celery("peer", broker=BROKER_URL)
app.conf.update(task_acks_late=True, task_ignore_result=True, worker_prefetch_multiplier=4)


@cache
def client() -> httpx.Client:
    """Made by the process that uses it."""
    limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    return httpx.Client(headers=HEADERS, limits=limits, timeout=20)


def send(body: str) -> None:
    client().post(ENDPOINT_URL, content=body.encode()).raise_for_status()


task = app.task(send, name="send")

if __name__ == "__main__":
    for one in bodies():
        task.delay(one)

"""Celery with httpx."""

from celery import Celery  # type: ignore[import-not-found]

from benchmarks.dispatch.peers.common import BROKER_URL, build_bodies
from benchmarks.dispatch.peers.http_client import send

app = Celery("peer", broker=BROKER_URL)
app.conf.update(task_acks_late=True, task_ignore_result=True, worker_prefetch_multiplier=4)
task = app.task(send, name="send")

if __name__ == "__main__":
    for body in build_bodies():
        task.delay(body)

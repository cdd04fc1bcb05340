"""Celery with httpx."""

from celery import Celery  # type: ignore[import-not-found]

from benchmarks.dispatch.peers.http_client import send
from benchmarks.dispatch.peers.surroundings import BROKER_URL, bodies

app = Celery("peer", broker=BROKER_URL)
app.conf.update(task_acks_late=True, task_ignore_result=True, worker_prefetch_multiplier=4)
task = app.task(send, name="send")

if __name__ == "__main__":
    for one in bodies():
        task.delay(one)

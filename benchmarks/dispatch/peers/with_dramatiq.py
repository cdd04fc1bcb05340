"""dramatiq with httpx."""

import dramatiq  # type: ignore[import-not-found]
from dramatiq.brokers.rabbitmq import RabbitmqBroker  # type: ignore[import-not-found]

from benchmarks.dispatch.peers.common import BROKER_URL, build_bodies
from benchmarks.dispatch.peers.http_client import send

dramatiq.set_broker(RabbitmqBroker(url=BROKER_URL))
actor = dramatiq.actor(send)

if __name__ == "__main__":
    for body in build_bodies():
        actor.send(body)

"""dramatiq with httpx."""

import dramatiq  # type: ignore[import-not-found]
from dramatiq.brokers.rabbitmq import RabbitmqBroker  # type: ignore[import-not-found]

from benchmarks.dispatch.peers.http_client import send
from benchmarks.dispatch.peers.surroundings import BROKER_URL, bodies

dramatiq.set_broker(RabbitmqBroker(url=BROKER_URL))
actor = dramatiq.actor(send)

if __name__ == "__main__":
    for one in bodies():
        actor.send(one)

"""dramatiq with one httpx client."""

import dramatiq  # type: ignore[import-not-found]
import httpx  # type: ignore[import-not-found]
from dramatiq.brokers.rabbitmq import RabbitmqBroker  # type: ignore[import-not-found]

from benchmarks.dispatch.message import HEADERS
from benchmarks.dispatch.peers.surroundings import BROKER_URL, ENDPOINT_URL, IN_FLIGHT, bodies

dramatiq.set_broker(RabbitmqBroker(url=BROKER_URL))
limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
client = httpx.Client(headers=HEADERS, limits=limits, timeout=20)


def send(body: str) -> None:
    client.post(ENDPOINT_URL, content=body.encode()).raise_for_status()


actor = dramatiq.actor(send)

if __name__ == "__main__":
    for one in bodies():
        actor.send(one)

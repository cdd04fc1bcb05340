"""A municipal system that publishes over AMQP, like the program of such a system."""

from collections.abc import Mapping
from dataclasses import dataclass

from cli.stacks import read_settings_from
from shared.amqp.connection import connect
from shared.amqp.publisher import open_publisher
from shared.amqp.topology import MUNICIPAL_EVENTS
from shared.contracts.envelope import MESSAGES, read_envelope
from shared.runtime.settings import BrokerAccess

PRESS_SOURCE = "/landkreis-osterholz/pressestelle"


@dataclass(frozen=True)
class AmqpSystem:
    """The press office, with the login in its environment."""

    access: BrokerAccess
    source: str = PRESS_SOURCE

    async def publish(self, body: bytes) -> None:
        """Publish the event, and return once the broker has stored it. Raises BrokerUnavailable or Unroutable."""
        url, envelope = self.access.broker_url, read_envelope(body)
        async with (
            connect(url, password=self.access.broker_secret, name="publish") as connection,
            open_publisher(connection) as publisher,
        ):
            key = MESSAGES[envelope.type].KEY
            await publisher.publish(MUNICIPAL_EVENTS, key, body, message_id=envelope.id, user_id=self.access.login)


def build_amqp_system(environment: Mapping[str, str]) -> AmqpSystem:
    return AmqpSystem(read_settings_from(environment, BrokerAccess))

"""A connection that comes back by itself, and the word for a broker that is away."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aio_pika
from aio_pika.abc import AbstractRobustConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPError
from yarl import URL

from shared.amqp.properties import accept_all_properties
from shared.outcome import DependencyAway

accept_all_properties()

Connection = AbstractRobustConnection
AWAY = (*CONNECTION_EXCEPTIONS, AMQPError, TimeoutError)
HEARTBEAT_SECONDS = 10
RECONNECT_SECONDS = 1


class BrokerAway(DependencyAway):
    """RabbitMQ did not answer in time, or the connection is down. It is re-established by itself."""


@asynccontextmanager
async def connect(url: str, *, password: str | None, name: str) -> AsyncIterator[AbstractRobustConnection]:
    """One robust connection; use one for publishing and another for consuming (a blocked one blocks both).

    `name` is shown in RabbitMQ's management. Raises BrokerAway if the first connection fails.
    """
    target = URL(url).with_password(password) if password else URL(url)
    options = {"heartbeat": str(HEARTBEAT_SECONDS), "reconnect_interval": str(RECONNECT_SECONDS)}
    try:
        connection = await aio_pika.connect_robust(
            target.update_query(options), timeout=10, client_properties={"connection_name": name}
        )
    except AWAY as error:
        raise BrokerAway(f"cannot connect to the broker: {type(error).__name__}") from None
    try:
        yield connection
    finally:
        await connection.close()


def login_of(connection: AbstractRobustConnection) -> str | None:
    """Who we are at the broker; it vouches for nobody else."""
    return connection.url.user if isinstance(connection, aio_pika.RobustConnection) else None


def connected(*connections: AbstractRobustConnection) -> Callable[[], Awaitable[bool]]:
    """A readiness check: all of these connections are up."""

    async def check() -> bool:
        return all(connection.connected.is_set() for connection in connections)

    return check

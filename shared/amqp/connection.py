"""Connections that reconnect by themselves, and the error for an unavailable broker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import aio_pika
from aio_pika import RobustChannel, RobustConnection
from aio_pika.abc import AbstractRobustConnection, ConnectionParameter
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPError
from yarl import URL

from shared.amqp.nodes import NodeRotation, parse_nodes
from shared.amqp.properties import accept_all_properties
from shared.outcome import DependencyUnavailable

accept_all_properties()

Connection = AbstractRobustConnection
CONNECTION_ERRORS = (*CONNECTION_EXCEPTIONS, AMQPError, TimeoutError)
HEARTBEAT_INTERVAL_SECONDS = 10
RECONNECT_DELAY_SECONDS = 1
CONNECT_TIMEOUT_SECONDS = 10
REOPEN_TIMEOUT_SECONDS = 5.0


class BrokerUnavailable(DependencyUnavailable):
    """RabbitMQ did not answer in time, or the connection is down. It reconnects by itself."""


class BoundedRobustChannel(RobustChannel):
    """Channel whose reopening ends: else it may wait, forever, for a lost connection to be unblocked.

    That connection was blocked by an alarm of the broker when it was lost. Whoever waits holds the lock that reopening
    on the next connection needs.
    """

    async def reopen(self) -> None:
        async with asyncio.timeout(REOPEN_TIMEOUT_SECONDS):
            await super().reopen()


class BoundedRobustConnection(RobustConnection):
    """Connection with such channels, to any node of the broker."""

    CHANNEL_CLASS = BoundedRobustChannel
    PARAMETERS = (
        *RobustConnection.PARAMETERS,
        ConnectionParameter(name="transport_factory", parser=lambda factory: factory, is_kwarg=True),
    )


@asynccontextmanager
async def connect(url: str, *, password: str | None, name: str) -> AsyncIterator[AbstractRobustConnection]:
    """Open a robust connection; use one for publishing and another for consuming (a blocked one blocks both).

    Of several nodes in `url` any serves; when one is lost, the connection is opened again to another. `name` is shown
    in RabbitMQ's management. Raises BrokerUnavailable if the first connection fails.
    """
    connection = await _open(parse_nodes(url, password), name)
    try:
        yield connection
    finally:
        await connection.close()


async def _open(nodes: Sequence[URL], name: str) -> BoundedRobustConnection:
    """Open a connection, with one attempt for each node: one that accepts the transport may still say nothing."""
    options = {"heartbeat": str(HEARTBEAT_INTERVAL_SECONDS), "reconnect_interval": str(RECONNECT_DELAY_SECONDS)}
    rotation = NodeRotation(nodes)
    for left in reversed(range(len(nodes))):
        connection = BoundedRobustConnection(
            nodes[0].update_query(options), client_properties={"connection_name": name}, transport_factory=rotation
        )
        try:
            await connection.connect(timeout=CONNECT_TIMEOUT_SECONDS)
        except CONNECTION_ERRORS as error:
            if not left:
                raise BrokerUnavailable(f"cannot connect to the broker: {type(error).__name__}") from None
        else:
            break
    return connection


def get_login(connection: AbstractRobustConnection) -> str | None:
    """Return our own broker login; the broker accepts no other one as a message's `user_id`."""
    return connection.url.user if isinstance(connection, aio_pika.RobustConnection) else None


def build_connection_check(*connections: AbstractRobustConnection) -> Callable[[], Awaitable[bool]]:
    """Return a readiness check: all of these connections are up."""

    async def check() -> bool:
        return all(connection.connected.is_set() for connection in connections)

    return check

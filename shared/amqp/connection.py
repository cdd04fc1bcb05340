"""Connections to a broker of one or several nodes. They reconnect automatically and survive any received message."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from aio_pika import RobustChannel, RobustConnection
from aio_pika.abc import ConnectionParameter
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPError
from aiormq.connection import DEFAULT_PORTS, TCPTransportFactory, TLSTransportFactory, TransportFactory
from aiormq.exceptions import AMQPConnectionError
from pamqp import decode
from pamqp.base import BasicProperties
from pamqp.commands import Basic
from yarl import URL

from shared.outcome import DependencyUnavailable
from shared.runtime.hosts import split_hosts

_LENGTHS: Mapping[str, Callable[[bytes], int]] = {
    "octet": lambda _: 1,
    "shortstr": lambda data: 1 + data[0],
    "table": lambda data: 4 + int.from_bytes(data[:4], "big"),
    "timestamp": lambda _: 8,
}
_DELIVERY_MODES = (1, 2)
_FIELD_LENGTHS = {b"t": 1, b"b": 1, b"B": 1, b"s": 2, b"u": 2, b"I": 4, b"i": 4, b"l": 8, b"L": 8, b"f": 4, b"d": 8}
_FIELD_LENGTHS |= {b"D": 5, b"T": 8, b"V": 0, b"\0": 0}
_NESTED = (b"A", b"F")
# Our own tables have fewer: the publisher's fields that we republish (MAX_HEADERS of the consumer), and the broker's.
MAX_FIELDS = 200
MAX_NESTED_BYTES = 2_048


def _read_properties(properties: BasicProperties, flags: int, data: bytes) -> None:
    """Read each property on its own: an unreadable one still has a known length."""
    for name in properties.__slots__:
        if flags & properties.flags[name]:
            amqp_type = properties.amqp_type(name)
            end = _LENGTHS[amqp_type](data)
            setattr(properties, name, _read_property(name, amqp_type, data[:end]))
            data = data[end:]


def _read_property(name: str, amqp_type: str, data: bytes) -> Any:
    if amqp_type == "table" and _is_costly(data):
        return None
    try:
        value = decode.by_type(data, amqp_type)[1]
    except Exception:  # any error is caused by the publisher
        return None
    return value if name != "delivery_mode" or value in _DELIVERY_MODES else None


def _is_costly(table: bytes) -> bool:
    """Return whether a table has many fields or large nested ones: for each, pamqp copies all bytes that follow."""
    position, fields, nested = 4, 0, 0
    while position < len(table) and fields <= MAX_FIELDS and nested <= MAX_NESTED_BYTES:
        start = position + 1 + table[position]
        field_type, fields = table[start : start + 1], fields + 1
        length = _FIELD_LENGTHS.get(field_type, 4 + int.from_bytes(table[start + 1 : start + 5], "big"))
        nested += length if field_type in _NESTED else 0
        position = start + 1 + length
    return fields > MAX_FIELDS or nested > MAX_NESTED_BYTES


# Messages of untrusted publishers are delivered whatever properties they have. pamqp fails on text that is not UTF-8, a
# time that Python cannot represent, or endlessly nested tables: that ends the connection and everything read from it,
# citizens' messages included. It takes a second for 130,000 fields in one table. aio-pika fails on an unknown delivery
# mode: the message is then never settled and occupies `prefetch` forever.
Basic.Properties.unmarshal = _read_properties  # type: ignore[method-assign, assignment] # it has no setting

# A node whose machine is down does not refuse: the next one has to be tried before the whole attempt times out.
NODE_TIMEOUT_SECONDS = 2.0


def parse_nodes(url: str, password: str | None) -> list[URL]:
    """Return the URL of each node, in random order, so that replicas spread over the cluster."""
    nodes = [URL(node).with_password(password) if password else URL(node) for node in split_hosts(url)]
    random.shuffle(nodes)
    return nodes


class NodeRotation(TransportFactory):
    """Factory of transports that tries the nodes in turn until one answers, and begins with another one each time.

    Beginning with another one matters if a node accepts the transport and then does not respond.
    """

    def __init__(self, nodes: Sequence[URL]) -> None:
        self._nodes = deque(nodes)
        self._opener = TLSTransportFactory() if nodes[0].scheme == "amqps" else TCPTransportFactory()

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a transport to one of the nodes. Raises AMQPConnectionError or TimeoutError if none answers."""
        *others, last = self._nodes
        for node in others:
            self._nodes.rotate(-1)
            with suppress(AMQPConnectionError, TimeoutError):
                async with asyncio.timeout(NODE_TIMEOUT_SECONDS):
                    return await self._opener.create(_build_target(url, node), **kwargs)
        self._nodes.rotate(-1)
        return await self._opener.create(_build_target(url, last), **kwargs)


def _build_target(url: URL, node: URL) -> URL:
    return url.with_host(node.host or "").with_port(node.port or DEFAULT_PORTS[node.scheme])


Connection = RobustConnection
CONNECTION_ERRORS = (*CONNECTION_EXCEPTIONS, AMQPError, TimeoutError)
HEARTBEAT_INTERVAL_SECONDS = 10
RECONNECT_DELAY_SECONDS = 1
CONNECT_TIMEOUT_SECONDS = 10
REOPEN_TIMEOUT_SECONDS = 5.0


class BrokerUnavailable(DependencyUnavailable):
    """RabbitMQ did not answer in time, or the connection is down. It reconnects automatically."""


def raise_if_cancelled() -> None:
    """Raise CancelledError if our task was cancelled, which the client or asyncio may have hidden from it.

    aiormq makes an error of the connection of some cancellations. Before Python 3.12, asyncio.wait_for, which it uses,
    swallows one that comes when the result does.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


@contextmanager
def convert_connection_errors(problem: str) -> Iterator[None]:
    """Raise BrokerUnavailable instead of an error of the connection, unless our task was cancelled.

    When a broker was silent for too long, aiormq raises CancelledError in every waiting task. That would end our task
    without a trace, since a task group takes it for cancelled.
    """
    try:
        yield
    except CONNECTION_ERRORS as error:
        raise_if_cancelled()
        raise BrokerUnavailable(f"{problem}: {type(error).__name__}") from None
    except asyncio.CancelledError:
        raise_if_cancelled()
        raise BrokerUnavailable(f"{problem}: the broker was silent for too long") from None


class BoundedRobustChannel(RobustChannel):
    """Channel whose reopening times out, and which stays closed if it is closed meanwhile.

    Without a timeout it may wait forever for a lost connection to be unblocked. That connection was blocked by an alarm
    of the broker when it was lost. The waiting task holds the lock that reopening on the next connection needs.
    """

    async def reopen(self) -> None:
        async with asyncio.timeout(REOPEN_TIMEOUT_SECONDS):
            await super().reopen()
            if self._close_called:  # meanwhile: the client would go on consuming
                await self.close()


class BoundedRobustConnection(RobustConnection):
    """Connection with such channels, to any node of the broker."""

    CHANNEL_CLASS = BoundedRobustChannel
    PARAMETERS = (
        *RobustConnection.PARAMETERS,
        ConnectionParameter(name="transport_factory", parser=lambda factory: factory, is_kwarg=True),
    )


@asynccontextmanager
async def connect(url: str, *, password: str | None, name: str) -> AsyncIterator[RobustConnection]:
    """Open a robust connection.

    Any of the nodes in `url` serves; when one is lost, the connection is reopened to another. RabbitMQ's management
    shows `name`. Raises BrokerUnavailable if the first connection fails.
    """
    connection = await _open(parse_nodes(url, password), name)
    try:
        yield connection
    finally:
        with suppress(BrokerUnavailable), convert_connection_errors("cannot close"):
            await connection.close()


@asynccontextmanager
async def connect_twice(
    url: str, *, password: str | None, name: str
) -> AsyncIterator[tuple[RobustConnection, RobustConnection]]:
    """Open one connection to consume and one to publish: a connection blocked for publishing is blocked for both.

    Raises BrokerUnavailable.
    """
    async with (
        connect(url, password=password, name=f"{name} consumes") as consuming,
        connect(url, password=password, name=f"{name} publishes") as publishing,
    ):
        yield consuming, publishing


async def _open(nodes: Sequence[URL], name: str) -> BoundedRobustConnection:
    """Open a connection, with one attempt for each node: one that accepts the transport may still not respond."""
    options = {"heartbeat": str(HEARTBEAT_INTERVAL_SECONDS), "reconnect_interval": str(RECONNECT_DELAY_SECONDS)}
    rotation = NodeRotation(nodes)
    for remaining_attempts in reversed(range(len(nodes))):
        connection = BoundedRobustConnection(
            nodes[0].update_query(options), client_properties={"connection_name": name}, transport_factory=rotation
        )
        try:
            with convert_connection_errors("cannot connect to the broker"):
                await connection.connect(timeout=CONNECT_TIMEOUT_SECONDS)
        except (BrokerUnavailable, asyncio.CancelledError) as error:
            await connection.close()  # otherwise it keeps trying
            if not remaining_attempts or isinstance(error, asyncio.CancelledError):
                raise
        else:
            break
    return connection


async def check_connections(*connections: RobustConnection) -> bool:
    """Return whether all of these connections are up; for readiness."""
    return all(connection.connected.is_set() for connection in connections)

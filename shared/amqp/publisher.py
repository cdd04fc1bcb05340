"""Persistent, mandatory and confirmed publishing; a failure is raised with its reason."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import structlog
from aio_pika.abc import AbstractRobustChannel
from aio_pika.exceptions import DeliveryError, PublishError
from aiormq import Channel, spec

from shared.amqp.connection import (
    RECONNECT_DELAY_SECONDS,
    BrokerUnavailable,
    Connection,
    connect,
    convert_connection_errors,
    raise_if_cancelled,
)
from shared.contracts.envelope import CONTENT_TYPE
from shared.outcome import Unroutable
from shared.runtime.background import run_in_background

CONFIRM_TIMEOUT_SECONDS = 2.0
PERSISTENT = 2

_log = structlog.get_logger()


class PublishRefused(BrokerUnavailable):
    """The broker nacked the message: a bounded queue is full, or storing failed. Wait and publish again."""


@dataclass
class Publisher:
    """Publisher on one channel; many publishes may await their confirms at the same time.

    A message without a confirm may still be stored: publish it again with the same `message_id`, but never publish two
    with the same id at once.
    """

    channel: AbstractRobustChannel

    async def publish(
        self,
        exchange: str,
        key: str,
        body: bytes,
        *,
        message_id: str,
        headers: Mapping[str, Any] | None = None,
        user_id: str | None = None,
        content_type: str = CONTENT_TYPE,
        content_encoding: str | None = None,
        mandatory: bool = True,
        timeout: float = CONFIRM_TIMEOUT_SECONDS,
    ) -> None:
        """Return when the broker has the message on disk. Raises BrokerUnavailable, PublishRefused or Unroutable."""
        properties = spec.Basic.Properties(
            content_type=content_type,
            content_encoding=content_encoding,
            headers=dict(headers or {}),
            delivery_mode=PERSISTENT,
            message_id=message_id,
            user_id=user_id,
        )
        with convert_connection_errors("no confirm from the broker"):
            try:
                async with asyncio.timeout(timeout):
                    await self.channel.ready()
                    channel = await self.channel.get_underlay_channel()
                    assert isinstance(channel, Channel)  # noqa: S101 - the abstract one does not name all arguments
                    # `wait` concerns the socket's buffer only: the confirm is awaited in any case.
                    await channel.basic_publish(
                        body, exchange=exchange, routing_key=key, properties=properties, mandatory=mandatory, wait=False
                    )
            except PublishError:
                raise Unroutable(f"no queue for {exchange}/{key}: run `kreisfunk migrate`") from None
            except DeliveryError:
                raise PublishRefused(f"{exchange}/{key} is full") from None


@asynccontextmanager
async def open_publisher(connection: Connection) -> AsyncIterator[Publisher]:
    """Yield a publisher on its own channel. Raises BrokerUnavailable."""
    with convert_connection_errors("cannot open a channel"):  # such as on a lost connection that has not reconnected
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
    try:
        yield Publisher(channel)
    finally:
        with suppress(BrokerUnavailable), convert_connection_errors("cannot close"):
            await channel.close()


@dataclass
class ReconnectingPublisher:
    """Publisher for a process that has to serve even before the broker is reachable for the first time."""

    _publisher: Publisher | None = field(default=None, init=False)

    def get_publisher(self) -> Publisher:
        """Return the publisher, which reconnects on its own. Raises BrokerUnavailable before the first connection."""
        if self._publisher is None:
            raise BrokerUnavailable("not connected to the broker yet")
        return self._publisher

    async def is_usable(self) -> bool:
        """Return True if the channel is open; for readiness. Never waits: raises TimeoutError or BrokerUnavailable."""
        async with asyncio.timeout(0):
            await self.get_publisher().channel.ready()
        return True

    def connect_in_background(self, url: str, *, password: str | None, name: str) -> AbstractAsyncContextManager[None]:
        """Connect in the background, on a separate connection that lasts until the block ends."""
        return run_in_background(self._keep_connected(url, password, name))

    async def _keep_connected(self, url: str, password: str | None, name: str) -> None:
        while True:
            try:
                async with (
                    connect(url, password=password, name=name) as connection,
                    open_publisher(connection) as self._publisher,
                ):
                    raise_if_cancelled()
                    await asyncio.Event().wait()
            except BrokerUnavailable as error:
                _log.warning("broker_unavailable", error=str(error))
            await asyncio.sleep(RECONNECT_DELAY_SECONDS)

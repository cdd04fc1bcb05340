"""Publisher of notices as a municipal system: over AMQP, confirmed by the broker."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from shared.amqp.connection import connect
from shared.amqp.publisher import Publisher, open_publisher
from shared.amqp.topology import MUNICIPAL_EVENTS
from shared.contracts.envelope import MESSAGES, Envelope
from shared.outcome import DependencyUnavailable, Unroutable


@dataclass(frozen=True, kw_only=True)
class NoticePublisher:
    """Publisher with the login `login`, which the broker verifies as `user_id`."""

    publisher: Publisher
    login: str

    async def publish(self, event: bytes, envelope: Envelope) -> None:
        """Publish and return once Kreisfunk has stored the event, whose envelope is `envelope`.

        Raises DependencyUnavailable; publishing the same event again does no harm.
        """
        try:
            await self.publisher.publish(
                MUNICIPAL_EVENTS,
                MESSAGES[envelope.type].KEY,
                event,
                message_id=envelope.id,
                user_id=self.login,
            )
        except Unroutable as error:
            raise DependencyUnavailable(str(error)) from None


OpenPublisher = Callable[[], AbstractAsyncContextManager[NoticePublisher]]


@asynccontextmanager
async def open_notice_publisher(
    url: str, *, password: str | None, login: str, name: str
) -> AsyncIterator[NoticePublisher]:
    """Connect and open a publisher; `name` is the connection's name in RabbitMQ's management.

    Raises DependencyUnavailable.
    """
    async with connect(url, password=password, name=name) as connection, open_publisher(connection) as publisher:
        yield NoticePublisher(publisher=publisher, login=login)

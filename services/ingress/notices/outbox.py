"""Storage of notice events in the broker."""

from dataclasses import dataclass, field
from uuid import uuid4

import msgspec
import structlog

from shared.amqp.publisher import ReconnectingPublisher
from shared.amqp.topology import API_NOTICES
from shared.contracts.envelope import MESSAGES, Envelope
from shared.outcome import DependencyUnavailable

MAX_WAITING = 200

_log = structlog.get_logger()


@dataclass
class BrokerNoticeOutbox:
    """Storage of up to MAX_WAITING events at a time; our own `login` may name the publishing system."""

    publisher: ReconnectingPublisher
    login: str
    _waiting: int = field(default=0, init=False)

    async def store(self, event: Envelope) -> None:
        """Return when the broker has the event on disk. Raises DependencyUnavailable."""
        if self._waiting >= MAX_WAITING:
            raise DependencyUnavailable("too much is waiting")
        self._waiting += 1
        try:
            await self.publisher.get_publisher().publish(
                API_NOTICES,
                MESSAGES[event.type].KEY,
                msgspec.json.encode(event),
                message_id=str(uuid4()),  # not the event's id, which may be longer than AMQP permits
                user_id=self.login,
            )
        except DependencyUnavailable as error:
            _log.warning("notice_not_stored", error=str(error))
            raise
        finally:
            self._waiting -= 1

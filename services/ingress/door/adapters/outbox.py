"""The broker as the place where notices are stored."""

from dataclasses import dataclass, field
from uuid import uuid4

import msgspec
import structlog

from services.ingress.door.ports import NotStored
from shared.amqp.publisher import PatientPublisher
from shared.amqp.topology import API_NOTICES
from shared.contracts.envelope import Envelope
from shared.contracts.registry import MESSAGES
from shared.outcome import DependencyAway, Unroutable

MOST_WAITING = 200

_log = structlog.get_logger()


@dataclass
class BrokerOutbox:
    """Implements ports.Outbox. `login` is ours: it is what entitles us to name the system."""

    publisher: PatientPublisher
    login: str
    _waiting: int = field(default=0, init=False)

    async def store(self, event: Envelope) -> None:
        if self._waiting >= MOST_WAITING:
            raise NotStored("too much is waiting")
        self._waiting += 1
        try:
            await self._publish(event)
        except (DependencyAway, Unroutable) as error:
            _log.warning("notice_not_stored", error=str(error))
            raise NotStored from None
        finally:
            self._waiting -= 1

    async def _publish(self, event: Envelope) -> None:
        await self.publisher.current().publish(
            API_NOTICES,
            MESSAGES[event.type].KEY,
            msgspec.json.encode(event),
            message_id=str(uuid4()),  # not the event's id, which may be longer than AMQP takes
            user_id=self.login,
        )

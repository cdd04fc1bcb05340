"""A message in hand, and the headers that it is parked with."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from aio_pika.abc import AbstractIncomingMessage, DeliveryMode
from aio_pika.exceptions import ChannelInvalidStateError

ATTEMPT_HEADER = "attempt"
REASON_HEADER = "reason"
PUBLISHER_HEADER = "publisher"
TRUNCATED_HEADER = "truncated-from"
MAX_HEADER_BYTES = 1_000
MAX_HEADERS = 50
_OWN_HEADERS = frozenset((ATTEMPT_HEADER, REASON_HEADER, PUBLISHER_HEADER, TRUNCATED_HEADER))


class ReceivedMessage(NamedTuple):
    """A message in hand. `user_id` is vouched for by the broker; `attempt` counts from 1."""

    incoming: AbstractIncomingMessage
    attempt: int
    login: str | None = None

    @property
    def body(self) -> bytes:
        return self.incoming.body

    @property
    def message_id(self) -> str:
        return self.incoming.message_id or ""

    @property
    def user_id(self) -> str | None:
        """What we parked ourselves, under our own `login`, is still its publisher's."""
        if self.incoming.user_id is None or self.incoming.user_id != self.login:
            return self.incoming.user_id
        publisher = self.incoming.headers.get(PUBLISHER_HEADER)
        return publisher if isinstance(publisher, str) else None

    @property
    def persistent(self) -> bool:
        return self.incoming.delivery_mode == DeliveryMode.PERSISTENT

    @property
    def headers(self) -> dict[str, Any]:
        """Those of its publisher: the broker's own and ours are left out."""
        return {
            name: value
            for name, value in self.incoming.headers.items()
            if name not in _OWN_HEADERS and not name.startswith("x-") and isinstance(value, str | int | datetime)
        }

    @property
    def reason(self) -> str:
        """Why it is a dead letter; the broker gives none where it gave up."""
        reason = self.incoming.headers.get(REASON_HEADER)
        return reason if isinstance(reason, str) else "delivered too often"

    @property
    def redelivered(self) -> bool:
        return bool(self.incoming.redelivered)

    @property
    def alive(self) -> bool:
        """False once its channel died: then it will be delivered again, so do nothing with it."""
        try:
            return not self.incoming.channel.is_closed
        except ChannelInvalidStateError:
            return False


def limit_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Those that fit, in bytes: all headers of a message have to go into one frame."""
    short = {name: value for name, value in headers.items() if len(f"{name}{value}".encode()) <= MAX_HEADER_BYTES}
    return dict(list(short.items())[:MAX_HEADERS])

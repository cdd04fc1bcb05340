"""Received messages, and the headers that they are retried with."""

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
    """Received, unsettled message; `user_id` is verified by the broker, `attempt` counts from 1."""

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
        """Return the login of the original publisher, also of messages that we republished under our own `login`."""
        if self.incoming.user_id is None or self.incoming.user_id != self.login:
            return self.incoming.user_id
        publisher = self.incoming.headers.get(PUBLISHER_HEADER)
        return publisher if isinstance(publisher, str) else None

    @property
    def persistent(self) -> bool:
        return self.incoming.delivery_mode == DeliveryMode.PERSISTENT

    @property
    def headers(self) -> dict[str, Any]:
        """Return the publisher's headers, without the broker's and our own."""
        return {
            name: value
            for name, value in self.incoming.headers.items()
            if name not in _OWN_HEADERS and not name.startswith("x-") and isinstance(value, str | int | datetime)
        }

    @property
    def reason(self) -> str:
        """Return the reason for the dead letter; the broker itself gives none at its delivery limit."""
        reason = self.incoming.headers.get(REASON_HEADER)
        return reason if isinstance(reason, str) else "delivered too often"

    @property
    def redelivered(self) -> bool:
        return bool(self.incoming.redelivered)

    @property
    def alive(self) -> bool:
        """Return False once the channel has died; the message will be delivered again, so do nothing with it."""
        try:
            return not self.incoming.channel.is_closed
        except ChannelInvalidStateError:
            return False


def limit_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headers that fit, measured in bytes: all headers of a message must fit into one frame."""
    short = {name: value for name, value in headers.items() if len(f"{name}{value}".encode()) <= MAX_HEADER_BYTES}
    return dict(list(short.items())[:MAX_HEADERS])

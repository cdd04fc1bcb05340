"""Ports of the notices API."""

from collections.abc import Callable, Sequence
from typing import Protocol

from shared.contracts.envelope import Envelope
from shared.notices.tokens import Token

MonotonicClock = Callable[[], float]


class NoticeNotStored(Exception):
    """Error: the broker has not confirmed; the client should repeat the request."""


class TokensUnreadable(Exception):
    """Error: the tokens file is damaged, so no token can be accepted."""


class NoticeOutbox(Protocol):
    """Durable store for notice events."""

    async def store(self, event: Envelope) -> None:
        """Return when the broker has the event on disk. Raises NoticeNotStored."""


class TokenSource(Protocol):
    """Source of the accepted tokens."""

    def load(self) -> Sequence[Token]:
        """Return the current tokens; changes take effect without a restart. Raises TokensUnreadable."""


class ApiMeter(Protocol):
    """Counters of the notices API."""

    def count_refused(self, reason: str) -> None: ...

    def count_stored(self, event_type: str) -> None: ...

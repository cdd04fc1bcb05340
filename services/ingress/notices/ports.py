"""What the notices API needs from outside."""

from collections.abc import Callable, Sequence
from typing import Protocol

from shared.contracts.envelope import Envelope
from shared.notices.tokens import Token

MonotonicClock = Callable[[], float]


class NoticeNotStored(Exception):
    """The broker has not confirmed: repeat the request."""


class TokensUnreadable(Exception):
    """The tokens' file is damaged: nobody can be let in."""


class NoticeOutbox(Protocol):
    """Where events go."""

    async def store(self, event: Envelope) -> None:
        """Return when the broker has it on disk. Raises NotStored."""


class TokenSource(Protocol):
    """Who may come in."""

    def load(self) -> Sequence[Token]:
        """As of now, without a restart. Raises TokensUnreadable."""


class ApiMeter(Protocol):
    """What is counted."""

    def count_refused(self, reason: str) -> None: ...

    def count_stored(self, event_type: str) -> None: ...

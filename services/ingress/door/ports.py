"""What the door needs from outside."""

from collections.abc import Callable, Sequence
from typing import Protocol

from shared.contracts.envelope import Envelope
from shared.municipal.tokens import Token

Seconds = Callable[[], float]


class NotStored(Exception):
    """The broker has not confirmed: repeat the request."""


class TokensUnreadable(Exception):
    """The tokens' file is damaged: nobody can be let in."""


class Outbox(Protocol):
    """Where events go."""

    async def store(self, event: Envelope) -> None:
        """Return when the broker has it on disk. Raises NotStored."""


class Tokens(Protocol):
    """Who may come in."""

    def current(self) -> Sequence[Token]:
        """As of now, without a restart. Raises TokensUnreadable."""


class Meter(Protocol):
    """What is counted."""

    def refused(self, reason: str) -> None: ...

    def stored(self, event_type: str) -> None: ...

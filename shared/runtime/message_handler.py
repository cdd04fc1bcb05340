"""Base class of event handlers: decode a message, apply it, return the outcome."""

from abc import ABC, abstractmethod

from shared.contracts.envelope import ContractError, decode
from shared.contracts.message import Message
from shared.outcome import Dead, Done, Outcome


class MessageHandler(ABC):
    """Idempotent handler of one message at a time."""

    async def handle(self, body: bytes) -> Outcome:
        """Decode and apply a message; an invalid one is a dead letter. Raises DependencyUnavailable."""
        try:
            await self._apply(decode(body))
        except ContractError as error:
            return Dead(str(error))
        return Done()

    @abstractmethod
    async def _apply(self, message: Message) -> None:
        """Apply the message. Raises ContractError for a message of another type."""

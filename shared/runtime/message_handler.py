"""What every consumer of events does with a message: decode it, act on it, say what became of it."""

from abc import ABC, abstractmethod

from shared.contracts.envelope import ContractError, decode
from shared.contracts.message import Message
from shared.outcome import Dead, Done, Outcome


class MessageHandler(ABC):
    """Acts on one message at a time; to act twice on one changes nothing."""

    async def handle(self, body: bytes) -> Outcome:
        """Decode a message and act on it; one that cannot be understood is dead. Raises DependencyUnavailable."""
        try:
            await self._apply(decode(body))
        except ContractError as error:
            return Dead(str(error))
        return Done()

    @abstractmethod
    async def _apply(self, message: Message) -> None:
        """Raise ContractError for a message of another type."""

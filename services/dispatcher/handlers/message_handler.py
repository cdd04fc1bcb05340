"""Base class of event handlers, and bisection of a batch with a value that the database refuses."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from shared.contracts.envelope import ContractError, decode
from shared.contracts.message import Message
from shared.outcome import Dead, Done, InvalidDataError, Outcome


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


Item = TypeVar("Item")


async def store_bisected(
    items: Sequence[Item],
    store: Callable[[Sequence[Item]], Awaitable[object]],
    reject: Callable[[Item, InvalidDataError], Awaitable[object]],
) -> None:
    """Store all items at once; if one is refused, halve them until it is alone, and reject it.

    Raises what `store` raises except InvalidDataError.
    """
    try:
        await store(items)
    except InvalidDataError as error:
        if len(items) == 1:
            await reject(items[0], error)
            return
        middle = len(items) // 2
        await store_bisected(items[:middle], store, reject)
        await store_bisected(items[middle:], store, reject)

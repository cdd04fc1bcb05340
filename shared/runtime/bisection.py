"""Bisection of a batch, so that a value refused by the database does not affect the others."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from shared.outcome import InvalidDataError

Item = TypeVar("Item")


async def store_bisected(
    items: Sequence[Item],
    store: Callable[[Sequence[Item]], Awaitable[object]],
    reject: Callable[[Item, InvalidDataError], Awaitable[object]],
) -> None:
    """Store all items at once; if one is refused, halve the batch until that one is alone, and reject it.

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

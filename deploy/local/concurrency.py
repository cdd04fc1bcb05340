"""Concurrent steps that raise the first failure instead of an exception group."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

from deploy import LocalError

First = TypeVar("First")
Second = TypeVar("Second")


async def enter_both(
    stack: AsyncExitStack,
    first: AbstractAsyncContextManager[First],
    second: AbstractAsyncContextManager[Second],
) -> tuple[First, Second]:
    async with _raise_first_failure() as group:
        tasks = (
            group.create_task(stack.enter_async_context(first)),
            group.create_task(stack.enter_async_context(second)),
        )
    return tasks[0].result(), tasks[1].result()


async def run_together(*steps: Coroutine[Any, Any, None]) -> None:
    async with _raise_first_failure() as group:
        for step in steps:
            group.create_task(step)


@asynccontextmanager
async def _raise_first_failure() -> AsyncIterator[asyncio.TaskGroup]:
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except ExceptionGroup as failures:
        raise find_first_failure(failures) from None


def find_first_failure(failures: ExceptionGroup[Exception]) -> Exception:
    """Return the first LocalError, which has a message for the person at the terminal, or else the first failure."""
    explained, _ = failures.split(LocalError)
    inner = (explained or failures).exceptions[0]
    return find_first_failure(inner) if isinstance(inner, ExceptionGroup) else inner

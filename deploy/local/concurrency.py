"""Concurrent steps that raise the first failure instead of an exception group."""

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeVar

from deploy.local import LocalError

First = TypeVar("First")
Second = TypeVar("Second")


async def enter_both(
    stack: AsyncExitStack,
    first: AbstractAsyncContextManager[First],
    second: AbstractAsyncContextManager[Second],
) -> tuple[First, Second]:
    entering = stack.enter_async_context(first), stack.enter_async_context(second)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = group.create_task(entering[0]), group.create_task(entering[1])
    except ExceptionGroup as failures:
        raise find_first_failure(failures) from None
    return tasks[0].result(), tasks[1].result()


async def run_together(*steps: Coroutine[Any, Any, None]) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for step in steps:
                group.create_task(step)
    except ExceptionGroup as failures:
        raise find_first_failure(failures) from None


def find_first_failure(failures: ExceptionGroup[Exception]) -> Exception:
    """Return the first LocalError, which has a message for the person at the terminal, or else the first failure."""
    spoken, _ = failures.split(LocalError)
    inner = (spoken or failures).exceptions[0]
    return find_first_failure(inner) if isinstance(inner, ExceptionGroup) else inner

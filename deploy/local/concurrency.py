"""Several slow starts at the same time, with the error of the first that fails."""

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeVar

from deploy.local.errors import LocalError

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
    """One that speaks to the person at the terminal, if there is one."""
    spoken, _ = failures.split(LocalError)
    inner = (spoken or failures).exceptions[0]
    return find_first_failure(inner) if isinstance(inner, ExceptionGroup) else inner

"""Work that goes on beside a block, and takes the block with it when it fails."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager


@asynccontextmanager
async def background(*works: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Run these until the block ends, then cancel them. What one raises ends the block, in a group."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(work) for work in works]
        yield
        for task in running:
            task.cancel()

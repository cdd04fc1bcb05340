"""Recorder of a stack that is started elsewhere, or whose broker is killed on purpose.

It listens as long as the stack runs. It misses what is published between the return of a broker and its own
reconnection.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aio_pika
import aiohttp
from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import CONNECTION_EXCEPTIONS

from deploy.stack_file import STACK_FILE, StackAddresses
from tests.contract_recorder.recorder import (
    TRACE,
    RecorderBlindError,
    check_message,
    enable_tracing,
    parse_traced,
    raise_violations,
)

RETRY_DELAY_SECONDS = 0.05
AWAY = (*CONNECTION_EXCEPTIONS, aiohttp.ClientError, TimeoutError)


class RecorderFollower:
    """Follower that checks every message at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._broken: Counter[str] = Counter()

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            with suppress(*AWAY):
                await self._listen()
            await asyncio.sleep(RETRY_DELAY_SECONDS)

    def end(self) -> None:
        """Raise RecorderBlindError if no message was seen, ContractViolationError if one was wrong."""
        if not self._count:
            raise RecorderBlindError(f"nothing was heard of a stack in {self._folder}")
        raise_violations(self._broken)

    async def _listen(self) -> None:
        """Record until the connection ends. Ignores the folder's lock: taking it even briefly could block the start."""
        try:
            stack = StackAddresses(**json.loads((self._folder / STACK_FILE).read_text()))
        except FileNotFoundError:
            return
        async with await aio_pika.connect(stack.broker_url) as connection, connection.channel() as channel:
            queue = await channel.declare_queue(exclusive=True)
            await queue.bind(TRACE, "publish.#")
            await queue.consume(self._record, no_ack=True)
            await enable_tracing(stack.broker_url, stack.broker_api_url)
            await connection.closed()

    async def _record(self, copy: AbstractIncomingMessage) -> None:
        self._count += 1
        self._broken.update(check_message(parse_traced(copy)))


@asynccontextmanager
async def follow_stack(folder: Path) -> AsyncIterator[None]:
    """Follow the stack that will run in this folder. Raises ContractViolationError at the end."""
    follower = RecorderFollower(folder)
    listening = asyncio.create_task(follower.run())
    try:
        yield
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
    follower.end()

"""Counts of messages that no service could read or handle, by passive declarations, which need no permission."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

from shared.amqp.connection import BrokerUnavailable
from shared.amqp.inspection import list_operator_queues
from shared.amqp.topology import NOTICES_QUARANTINE

COUNTED_QUEUES = (*list_operator_queues(), NOTICES_QUARANTINE)
TIMEOUT_SECONDS = 3.0

ReadCounts = Callable[[], Awaitable[Mapping[str, int]]]


class QueueCounts:
    """Last read number of messages in each queue that is not empty, so that no page waits for the broker.

    `counts` is None while the broker does not answer.
    """

    def __init__(self) -> None:
        self.counts: Mapping[str, int] | None = None
        self._read: ReadCounts | None = None

    @contextmanager
    def use(self, read: ReadCounts) -> Iterator[None]:
        """Use this function to read the counts until the block ends."""
        self._read = read
        try:
            yield
        finally:
            self._read = self.counts = None

    async def refresh(self) -> None:
        """Read the counts, if a function to read them is in use."""
        if self._read is None:
            return
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                counts = await self._read()
            self.counts = {name: count for name, count in counts.items() if count}
        except (BrokerUnavailable, TimeoutError):
            self.counts = None

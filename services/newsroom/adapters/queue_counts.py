"""Counts of messages that no service could read or handle; passive declarations need no permission."""

import asyncio
import time
from collections.abc import Mapping

from shared.amqp.connection import BrokerUnavailable, connect
from shared.amqp.inspection import count_by_queue, list_operator_queues
from shared.amqp.topology import NOTICES_QUARANTINE

MAX_AGE_SECONDS = 10.0
TIMEOUT_SECONDS = 3.0


class BrokerQueueCounts:
    """Counts that are read at most every ten seconds, and only when somebody looks."""

    def __init__(self, url: str, password: str | None) -> None:
        self._url = url
        self._password = password
        self._reading = asyncio.Lock()
        self._read_at = float("-inf")
        self._counts: Mapping[str, int] | None = None

    async def count_stranded(self) -> Mapping[str, int] | None:
        """Return the number in each queue that has some; None if the broker does not answer."""
        async with self._reading:
            if time.monotonic() - self._read_at > MAX_AGE_SECONDS:
                self._counts = await self._read()
                self._read_at = time.monotonic()
            return self._counts

    async def _read(self) -> Mapping[str, int] | None:
        names = [*list_operator_queues(), NOTICES_QUARANTINE]
        try:
            async with (
                asyncio.timeout(TIMEOUT_SECONDS),
                connect(self._url, password=self._password, name="newsroom looks") as connection,
            ):
                counted = await count_by_queue(connection, names)
        except (BrokerUnavailable, TimeoutError):
            return None
        return {name: count for name, count in counted.items() if count}

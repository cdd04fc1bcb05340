"""Live events for clients that watch phones; costs nothing while nobody watches."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from msgspec import Struct

MAX_WAITING_EVENTS = 2000
# Makes a watcher that was too slow for the stream read everything again.
OVERFLOW = b"event: overflow\ndata: {}\n\n"


class Watcher:
    """One subscriber of the stream; `citizens` limits its events, None means all citizens."""

    def __init__(self, citizens: frozenset[int] | None) -> None:
        self.citizens = citizens
        self.closed = False
        self._waiting: list[bytes] = []
        self._filled = asyncio.Event()

    def put(self, event: bytes) -> None:
        if len(self._waiting) >= MAX_WAITING_EVENTS:
            self._waiting = [OVERFLOW]
        else:
            self._waiting.append(event)
        self._filled.set()

    def close(self) -> None:
        self.closed = True
        self._filled.set()

    async def wait_for_events(self) -> bytes:
        """Return all waiting events, at least one; b"" once closed."""
        await self._filled.wait()
        self._filled.clear()
        waiting, self._waiting = self._waiting, []
        return b"".join(waiting)


class EventHub:
    """Distributor of events to all watchers."""

    def __init__(self) -> None:
        self._subscriptions: set[Watcher] = set()
        self._closed = False

    @contextmanager
    def subscribe(self, citizens: frozenset[int] | None) -> Iterator[Watcher]:
        subscription = Watcher(citizens)
        self._subscriptions.add(subscription)
        if self._closed:
            subscription.close()
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def is_watched(self, citizen: int) -> bool:
        return any(_is_wanted_by(subscription, citizen) for subscription in self._subscriptions)

    def publish(self, citizen: int, name: str, data: Struct) -> None:
        event = b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(data))
        for subscription in self._subscriptions:
            if _is_wanted_by(subscription, citizen):
                subscription.put(event)

    def close(self) -> None:
        """End all streams, including those that start later."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.close()


def _is_wanted_by(subscription: Watcher, citizen: int) -> bool:
    return subscription.citizens is None or citizen in subscription.citizens

"""Watches for live updates: one query per second and kind of data, however many viewers there are."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

MAX_VIEWERS = 500
Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass
class ChangeWatch(Generic[Key, Value]):
    """Watch over the values that `read` returns for the followed keys; run `refresh` repeatedly.

    `closing` is True once the process is shutting down, `failures` counts the reads that failed.
    """

    read: Callable[[Collection[Key]], Awaitable[Mapping[Key, Value]]]
    closing: bool = field(default=False, init=False)
    failures: int = field(default=0, init=False)
    _viewers: Counter[Key] = field(default_factory=Counter, init=False)
    _values: dict[Key, Value] = field(default_factory=dict, init=False)
    _refreshed: asyncio.Condition = field(default_factory=asyncio.Condition, init=False)

    @property
    def is_full(self) -> bool:
        return self._viewers.total() >= MAX_VIEWERS

    @contextmanager
    def follow(self, key: Key) -> Iterator[None]:
        """Follow the key inside the block; keys that nobody follows are not read."""
        self._viewers[key] += 1
        try:
            yield
        finally:
            self._viewers[key] -= 1
            if not self._viewers[key]:
                del self._viewers[key]
                self._values.pop(key, None)

    async def refresh(self) -> None:
        """Read all followed keys and notify the viewers. Raises DatabaseUnavailable."""
        if self._viewers:
            try:
                values = await self.read([*self._viewers])
            except Exception:
                self.failures += 1
                raise
            # The last viewer of a key may have left during the read; the next one must not get this value.
            self._values = {key: value for key, value in values.items() if key in self._viewers}
            await self._notify()

    async def close(self) -> None:
        """Notify the viewers that they should reconnect to another process."""
        self.closing = True
        await self._notify()

    def get(self, key: Key) -> Value | None:
        """Return the last value read for a followed key; None before the first."""
        return self._values.get(key)

    async def _notify(self) -> None:
        async with self._refreshed:
            self._refreshed.notify_all()

    async def wait_for_change(self, key: Key, last: Value | None, seconds: float) -> Value | None:
        """Return the value as soon as it differs from `last`; None after `seconds`, or when closing."""

        def has_changed() -> bool:
            return self.closing or self._values.get(key) not in (None, last)

        try:
            async with asyncio.timeout(seconds), self._refreshed:
                await self._refreshed.wait_for(has_changed)
        except TimeoutError:
            return None
        return None if self.closing else self._values.get(key)

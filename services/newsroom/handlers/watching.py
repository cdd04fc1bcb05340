"""Watches: live progress and sessions that end elsewhere, for one query a second in all, whoever watches whatever."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

MAX_VIEWERS = 500
Key = TypeVar("Key", bound=Hashable)
Shown = TypeVar("Shown")


@dataclass
class ChangeWatch(Generic[Key, Shown]):
    """Watch over what `read` returns for the keys that are followed; run `refresh` repeatedly.

    `closing` is set when the process ends.
    """

    read: Callable[[Collection[Key]], Awaitable[Mapping[Key, Shown]]]
    closing: bool = field(default=False, init=False)
    _viewers: Counter[Key] = field(default_factory=Counter, init=False)
    _known: dict[Key, Shown] = field(default_factory=dict, init=False)
    _refreshed: asyncio.Condition = field(default_factory=asyncio.Condition, init=False)

    @property
    def is_full(self) -> bool:
        return self._viewers.total() >= MAX_VIEWERS

    @contextmanager
    def follow(self, key: Key) -> Iterator[None]:
        """Count the viewer inside the block; what nobody follows is not asked for."""
        self._viewers[key] += 1
        try:
            yield
        finally:
            self._viewers[key] -= 1
            if not self._viewers[key]:
                del self._viewers[key]
                self._known.pop(key, None)

    async def refresh(self) -> None:
        """Read all that is followed, and tell the viewers. Raises DatabaseUnavailable."""
        if self._viewers:
            found = await self.read([*self._viewers])
            # Whoever comes next must not be told what the last one was about to be.
            self._known = {key: shown for key, shown in found.items() if key in self._viewers}
            await self._notify()

    async def close(self) -> None:
        """Tell the viewers to go to another process."""
        self.closing = True
        await self._notify()

    def get(self, key: Key) -> Shown | None:
        """Return what was read last for a key that is followed; None before that."""
        return self._known.get(key)

    async def _notify(self) -> None:
        async with self._refreshed:
            self._refreshed.notify_all()

    async def wait_for_change(self, key: Key, told: Shown | None, seconds: float) -> Shown | None:
        """Return what is shown as soon as it differs from what was told; None after `seconds`, or when closing."""

        def has_changed() -> bool:
            return self.closing or self._known.get(key) not in (None, told)

        try:
            async with asyncio.timeout(seconds), self._refreshed:
                await self._refreshed.wait_for(has_changed)
        except TimeoutError:
            return None
        return None if self.closing else self._known.get(key)

"""Watch over the sessions of streams: one that ends elsewhere ends its streams, too, for one query a second in all."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from services.newsroom.domain.sessions import Visitor
from services.newsroom.ports import SessionRepository


@dataclass
class SessionWatch:
    """Sessions that are followed; run `refresh` repeatedly."""

    sessions: SessionRepository
    _ended: dict[bytes, asyncio.Event] = field(default_factory=dict, init=False)
    _followers: Counter[bytes] = field(default_factory=Counter, init=False)

    @contextmanager
    def follow(self, visitor: Visitor) -> Iterator[asyncio.Event]:
        """Yield an event that is set as soon as the session has ended."""
        key = visitor.session
        self._followers[key] += 1
        try:
            yield self._ended.setdefault(key, asyncio.Event())
        finally:
            self._followers[key] -= 1
            if not self._followers[key]:
                del self._followers[key], self._ended[key]

    async def refresh(self) -> None:
        """Tell the followers of sessions that have ended. Raises DatabaseUnavailable."""
        followed = list(self._ended)
        if not followed:
            return
        still_open = await self.sessions.filter_open(followed)
        for key in followed:
            if key not in still_open and key in self._ended:
                self._ended[key].set()

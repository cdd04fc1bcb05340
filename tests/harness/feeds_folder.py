"""A folder of feeds on a disk that can be full, and a broker that records events."""

import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.feeds.broker import NoticePublisher
from services.feeds.decisions import PollOutcome
from services.feeds.folder import StateFolder
from services.feeds.polling import Poller
from services.feeds.state import OriginState
from shared.amqp.publisher import Publisher
from tests.factories.feeds import NOW, poll_feed


@dataclass
class Disk:
    """A disk; `full` has the kinds that cannot be written: `state`, `draft` or `sent`."""

    full: set[str] = field(default_factory=set)
    states: int = 0

    def write(self, kind: str) -> None:
        if kind in self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@dataclass(frozen=True)
class LimitedFolder(StateFolder):
    """State folder on such a disk."""

    disk: Disk = field(default_factory=Disk)

    def save_state(self, name: str, state: OriginState) -> None:
        self.disk.write("state")
        self.disk.states += 1
        super().save_state(name, state)

    def save_draft(self, event: bytes) -> Path:
        self.disk.write("draft")
        return super().save_draft(event)

    def save_sent(self, origin: str, event: bytes) -> None:
        self.disk.write("sent")
        super().save_sent(origin, event)


class FakeBroker(Publisher):
    """`published` are the ids of the events, in order."""

    def __init__(self) -> None:
        self.published: list[str] = []

    async def publish(self, exchange: str, key: str, body: bytes, *, message_id: str, **_: Any) -> None:
        self.published.append(message_id)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[NoticePublisher]:
        yield NoticePublisher(publisher=self, login="feeds")


@dataclass
class FakeFeed:
    """A feed with these items, newest first; `options` are those of its origin."""

    items: list[str]
    options: dict[str, Any] = field(default_factory=dict)

    async def __call__(self, state: OriginState) -> PollOutcome | None:
        return poll_feed(*self.items, memory=state, **self.options)


def build_poller(folder: StateFolder, feed: FakeFeed, broker: FakeBroker, interval_seconds: float = 60) -> Poller:
    return Poller(
        name="presse",
        interval_seconds=interval_seconds,
        source=feed,
        folder=folder,
        open_publisher=broker.open,
        clock=lambda: NOW,
    )

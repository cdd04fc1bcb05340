"""A folder of feeds on a disk that can be full, and a notices API that records events."""

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.feeds.decisions import PollOutcome
from services.feeds.folder import StateFolder
from services.feeds.polling import Poller
from services.feeds.publisher import FeedPublisher
from services.feeds.state import OriginState
from shared.contracts.envelope import read_envelope
from shared.contracts.events import Problem
from shared.contracts.notices_http import EventProgress
from shared.runtime.notices_api import HttpNoticesApi, NoticesApiUnavailable
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


class FakeNoticesApi(HttpNoticesApi):
    """`published` are the ids of the stored events, in order; each of `answers` is given once instead.

    `progress` is that of every event.
    """

    def __init__(
        self, *answers: NoticesApiUnavailable | tuple[Problem, ...], progress: EventProgress | None = None
    ) -> None:
        self.answers, self.progress, self.asked = list(answers), progress, 0
        self.published: list[str] = []

    async def publish(self, event: bytes) -> tuple[Problem, ...]:
        answer = self.answers.pop(0) if self.answers else ()
        if isinstance(answer, NoticesApiUnavailable):
            raise answer
        if not answer:
            self.published.append(read_envelope(event).id)
        return answer

    async def fetch_progress(self, source: str, event_id: str) -> EventProgress | None:
        self.asked += 1
        return self.progress


@dataclass
class FakeFeed:
    """A feed with these items, newest first; `options` are those of its origin."""

    items: list[str]
    options: dict[str, Any] = field(default_factory=dict)

    async def __call__(self, state: OriginState) -> PollOutcome | None:
        return poll_feed(*self.items, memory=state, **self.options)


def build_poller(folder: StateFolder, feed: FakeFeed, notices: FakeNoticesApi, interval_seconds: float = 60) -> Poller:
    return Poller(
        name="presse",
        interval_seconds=interval_seconds,
        source=feed,
        folder=folder,
        publisher=FeedPublisher(notices=notices, folder=folder),
        clock=lambda: NOW,
    )

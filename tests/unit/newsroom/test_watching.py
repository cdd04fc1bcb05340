"""Live progress: the database is asked the same for one viewer and for a hundred, and not at all for none."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

import pytest

from services.newsroom.domain.progress import BroadcastStatus
from services.newsroom.domain.sending import SourceUse
from services.newsroom.handlers.watching import MAX_VIEWERS, watch_broadcasts

FIRST, SECOND = BroadcastStatus(id=UUID(int=1), audience=10), BroadcastStatus(id=UUID(int=2), audience=10)
PATIENCE = 30.0


@dataclass
class StatusesInMemory:
    """Implementation of ports.BroadcastStatuses; `asked` are the queries."""

    known: dict[UUID, BroadcastStatus] = field(default_factory=lambda: {each.id: each for each in (FIRST, SECOND)})
    asked: list[list[UUID]] = field(default_factory=list)

    async def find_all(self, broadcasts: Collection[UUID]) -> Sequence[BroadcastStatus]:
        self.asked.append(sorted(broadcasts))
        return [self.known[each] for each in broadcasts if each in self.known]

    async def list_revisions(self, source: str, notice: str) -> Sequence[BroadcastStatus]:
        return []

    async def list_related(self, broadcast: UUID) -> Sequence[BroadcastStatus]:
        return []

    async def list_newest(self, limit: int, before: datetime | None = None) -> Sequence[BroadcastStatus]:
        return []

    async def list_unfinished(self, limit: int) -> Sequence[BroadcastStatus]:
        return []

    async def list_sources(self) -> Sequence[SourceUse]:
        return []


@pytest.mark.parametrize("viewers", [1, 100])
async def test_all_viewers_share_one_query(viewers: int) -> None:
    statuses = StatusesInMemory()
    watch = watch_broadcasts(statuses)
    with ExitStack() as stack:
        for number in range(viewers):
            stack.enter_context(watch.follow((FIRST if number % 2 == 0 else SECOND).id))
        for _ in range(3):
            await watch.refresh()
    assert len(statuses.asked) == 3
    await watch.refresh()
    assert len(statuses.asked) == 3, "nobody watches any more"


async def test_a_viewer_is_told_each_change_once() -> None:
    statuses = StatusesInMemory()
    watch = watch_broadcasts(statuses)
    with watch.follow(FIRST.id):
        waiting = asyncio.create_task(watch.wait_for_change(FIRST.id, None, PATIENCE))
        await asyncio.sleep(0)
        await watch.refresh()
        assert await waiting == FIRST
        await watch.refresh()
        assert await watch.wait_for_change(FIRST.id, FIRST, 0.01) is None
        later = replace(FIRST, states={"sent": 3})
        statuses.known[FIRST.id] = later
        await watch.refresh()
        assert await watch.wait_for_change(FIRST.id, FIRST, PATIENCE) == later


@dataclass
class SlowStatuses(StatusesInMemory):
    """Statuses whose query is under way until `answers` is set."""

    answers: asyncio.Event = field(default_factory=asyncio.Event)

    async def find_all(self, broadcasts: Collection[UUID]) -> Sequence[BroadcastStatus]:
        found = await super().find_all(broadcasts)
        await self.answers.wait()
        return found


async def test_whoever_comes_after_the_last_one_is_not_told_what_was_read_for_them() -> None:
    statuses = SlowStatuses()
    watch = watch_broadcasts(statuses)
    with watch.follow(FIRST.id):
        reading = asyncio.create_task(watch.refresh())
        await asyncio.sleep(0)
    statuses.answers.set()
    await reading
    with watch.follow(FIRST.id):
        assert await watch.wait_for_change(FIRST.id, None, 0.01) is None


async def test_a_broadcast_nobody_knows_is_waited_for() -> None:
    watch = watch_broadcasts(StatusesInMemory())
    with watch.follow(UUID(int=3)):
        await watch.refresh()
        assert await watch.wait_for_change(UUID(int=3), None, 0.01) is None


async def test_at_the_end_of_the_process_everybody_is_sent_away() -> None:
    watch = watch_broadcasts(StatusesInMemory())
    with watch.follow(FIRST.id):
        waiting = asyncio.create_task(watch.wait_for_change(FIRST.id, FIRST, PATIENCE))
        await asyncio.sleep(0)
        await watch.close()
        assert await waiting is None
        assert watch.closing


def test_there_is_a_last_viewer() -> None:
    watch = watch_broadcasts(StatusesInMemory())
    with ExitStack() as stack:
        for _ in range(MAX_VIEWERS):
            assert not watch.is_full
            stack.enter_context(watch.follow(FIRST.id))
        assert watch.is_full
    assert not watch.is_full

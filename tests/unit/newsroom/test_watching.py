"""Live progress and streams: the database is asked the same for one viewer and for a hundred, not at all for none."""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from services.newsroom.handlers.watching import MAX_VIEWERS, ChangeWatch

PATIENCE = 30.0


@dataclass
class Source:
    """Values that are watched; `asked` are the queries, which are under way until `answers` is set."""

    known: dict[str, int] = field(default_factory=lambda: {"a": 1, "b": 1})
    asked: list[set[str]] = field(default_factory=list)
    answers: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, keys: Collection[str]) -> Mapping[str, int]:
        self.asked.append({*keys})
        found = {key: self.known[key] for key in keys if key in self.known}
        await self.answers.wait()
        return found


@pytest.fixture
def source() -> Source:
    source = Source()
    source.answers.set()
    return source


@pytest.fixture
def watch(source: Source) -> ChangeWatch[str, int]:
    return ChangeWatch(source.read)


@pytest.mark.parametrize("viewers", [1, 100])
async def test_all_viewers_share_one_query(viewers: int, source: Source, watch: ChangeWatch[str, int]) -> None:
    with ExitStack() as stack:
        for number in range(viewers):
            stack.enter_context(watch.follow("ab"[number % 2]))
        for _ in range(3):
            await watch.refresh()
    await watch.refresh()
    assert source.asked == [set("ab"[:viewers])] * 3, "nobody watches any more"


async def test_a_viewer_is_told_each_change_once(source: Source, watch: ChangeWatch[str, int]) -> None:
    with watch.follow("a"):
        waiting = asyncio.create_task(watch.wait_for_change("a", None, PATIENCE))
        await asyncio.sleep(0)
        await watch.refresh()
        assert await waiting == 1
        await watch.refresh()
        assert await watch.wait_for_change("a", 1, 0.01) is None
        source.known["a"] = 2
        await watch.refresh()
        assert await watch.wait_for_change("a", 1, PATIENCE) == 2


async def test_whoever_comes_after_the_last_one_is_not_told_what_was_read_for_them(
    source: Source, watch: ChangeWatch[str, int]
) -> None:
    source.answers.clear()
    with watch.follow("a"):
        reading = asyncio.create_task(watch.refresh())
        await asyncio.sleep(0)
    source.answers.set()
    await reading
    with watch.follow("a"):
        assert await watch.wait_for_change("a", None, 0.01) is None


async def test_at_the_end_of_the_process_everybody_is_sent_away(watch: ChangeWatch[str, int]) -> None:
    with watch.follow("a"):
        waiting = asyncio.create_task(watch.wait_for_change("a", 1, PATIENCE))
        await asyncio.sleep(0)
        await watch.close()
        assert await waiting is None
        assert watch.closing


def test_there_is_a_last_viewer(watch: ChangeWatch[str, int]) -> None:
    with ExitStack() as stack:
        for _ in range(MAX_VIEWERS):
            assert not watch.is_full
            stack.enter_context(watch.follow("a"))
        assert watch.is_full
    assert not watch.is_full


async def test_what_was_read_last_is_known_as_long_as_anybody_follows(watch: ChangeWatch[str, int]) -> None:
    with watch.follow("a"):
        assert watch.get("a") is None
        with watch.follow("a"), watch.follow("c"):
            await watch.refresh()
            assert await watch.wait_for_change("c", None, 0.01) is None, "nobody knows it"
        assert (watch.get("a"), watch.get("b")) == (1, None)
    with watch.follow("a"):
        assert watch.get("a") is None

"""A feed whose ids change fills neither memory nor disk, and reaches nobody twice."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.feeds.configuration import Mode
from services.feeds.decisions import MAX_DRAFTS, PollOutcome
from services.feeds.folder import StateFolder
from services.feeds.state import MAX_KNOWN, OriginState
from tests.factories.alerts import build_alert, poll_alerts
from tests.factories.feeds import NOW, build_item, list_events, poll_feed, read_data

POLL = 1000
DRAFTS: dict[str, Any] = {"mode": "draft", "first_poll": "mark"}


def build_items(start: int, **fields: str) -> list[str]:
    return [build_item(number, **fields) for number in range(start, start + POLL)]


@pytest.fixture(scope="module")
def flooded() -> OriginState:
    """What is known after twenty polls, each with a thousand new ids, of a feed whose entries are only marked."""
    memory = OriginState()
    for start in range(0, 20 * POLL, POLL):
        memory = poll_feed(*build_items(start), memory=memory, rules=[{"title": "Meldung", "skip": True}]).state
    return memory


def list_modes(outcome: PollOutcome) -> list[Mode]:
    return [pending.way for pending in outcome.state.pending]


def test_ids_that_change_with_every_poll_keep_a_bounded_memory(flooded: OriginState, tmp_path: Path) -> None:
    assert len(flooded.entries) == MAX_KNOWN + POLL
    folder = StateFolder(tmp_path)
    folder.save_state("presse", flooded)
    assert list(folder.read_state("presse").entries) == list(flooded.entries)
    assert (tmp_path / "memory" / "presse.json").stat().st_size < 2_000_000


def test_what_is_in_the_feed_stays_known_whatever_comes_beside_it() -> None:
    memory = poll_feed(build_item(-1), most_at_once=1).state
    for start in range(0, 13 * POLL, POLL):
        outcome = poll_feed(build_item(-1), *build_items(start), memory=memory, **DRAFTS)
        memory = outcome.state
        assert outcome.counts["known"] == 1


def test_a_feed_that_alternates_is_news_once() -> None:
    memory = poll_feed(*build_items(0)).state
    memory = poll_feed(*build_items(POLL), memory=memory).state
    for start in (0, POLL, 0):
        outcome = poll_feed(*build_items(start), memory=memory)
        memory = outcome.state
        assert (list_events(outcome), outcome.counts["known"]) == ([], POLL)


def test_what_was_forgotten_and_returns_is_a_draft_at_most(flooded: OriginState) -> None:
    outcome = poll_feed(build_item(0), memory=flooded, now=NOW + timedelta(days=100))
    assert (list_modes(outcome), outcome.counts["perhaps_known"]) == ([Mode.DRAFT], 1)


@pytest.mark.parametrize(
    ("published", "mode"),
    [
        ("Fri, 27 Nov 2026 09:00:00 GMT", Mode.DIRECT),
        ("Thu, 26 Nov 2026 23:00:00 GMT", Mode.DRAFT),
        ("Sun, 29 Nov 2026 09:00:00 GMT", Mode.DRAFT),
    ],
)
def test_only_an_entry_dated_after_the_last_one_forgotten_is_surely_new(
    published: str, mode: Mode, flooded: OriginState
) -> None:
    outcome = poll_feed(build_item(-1, pubDate=published), memory=flooded, now=NOW + timedelta(days=3))
    assert list_modes(outcome) == [mode]


def test_a_feed_that_dates_all_today_is_no_news_on_the_next_day_either(flooded: OriginState) -> None:
    items = build_items(30 * POLL, pubDate="Thu, 26 Nov 2026 10:00:00 GMT")
    outcome = poll_feed(*items, memory=flooded, now=NOW + timedelta(days=1))
    assert Mode.DIRECT not in list_modes(outcome)


def test_whether_something_was_forgotten_is_forgotten_itself(flooded: OriginState) -> None:
    later = poll_feed(build_item(-1), memory=flooded, now=NOW + timedelta(days=401)).state
    assert list_modes(poll_feed(build_item(-2), memory=later, now=NOW + timedelta(days=401))) == [Mode.DIRECT]


def test_drafts_are_for_the_newest_entries_and_the_others_are_marked() -> None:
    memory = poll_feed(**DRAFTS).state
    outcome = poll_feed(*build_items(0), memory=memory, **DRAFTS)
    headlines = [read_data(event)["headline"] for event in list_events(outcome)]
    assert headlines == [f"Meldung {number}" for number in reversed(range(MAX_DRAFTS))]
    assert (outcome.counts["drafted"], outcome.counts["not_kept"]) == (MAX_DRAFTS, POLL - MAX_DRAFTS)
    again = poll_feed(*build_items(0), memory=outcome.state, **DRAFTS)
    assert (list_events(again), again.counts["known"]) == ([], POLL)


def test_what_was_not_kept_as_a_draft_is_not_updated() -> None:
    memory = poll_feed(**DRAFTS).state
    memory = poll_feed(*build_items(0), memory=memory, **DRAFTS).state
    outcome = poll_feed(*build_items(0, description="neu"), memory=memory, updates=True, **DRAFTS)
    assert (len(list_events(outcome)), outcome.counts["changed"]) == (MAX_DRAFTS, POLL - MAX_DRAFTS)


def test_alerts_that_change_with_every_poll_keep_a_bounded_memory() -> None:
    memory = OriginState()
    first = [build_alert(f"w-0-{number}") for number in range(10)]
    for poll in range(3):
        references = [f"r-{poll}-{number}" for number in range(6 * POLL)]
        outcome = poll_alerts(*first, build_alert(f"u-{poll}", references=references, msgType="Update"), memory=memory)
        memory = outcome.state
        assert outcome.counts["known"] == (10 if poll else 0)
    assert len(memory.alerts) <= MAX_KNOWN + 6 * POLL + 11

"""An entry counts as published although the broker is lost before anybody could answer."""

import pytest

from services.feeds import broker
from tests.factories.feeds import build_item
from tests.harness.commands import run_in_process
from tests.harness.website import build_text_answer
from tests.integration.feeds.harness import FeedsHarness


@pytest.fixture(autouse=True)
def unread_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream of answers cannot be read in time."""
    monkeypatch.setattr(broker, "READ_TIMEOUT_SECONDS", 0)


async def test_a_poll_whose_answers_cannot_be_read_says_what_it_published(harness: FeedsHarness) -> None:
    harness.show(build_item(1), build_item(2))
    ended = await harness.poll_once()
    assert (ended.status, ended.output) == (5, "presse: 2 published\n"), ended.errors
    assert "published, but" in ended.errors
    assert "next time" not in ended.errors
    assert len(await harness.list_published()) == 2


async def test_a_feed_that_cannot_be_read_counts_more_than_answers(harness: FeedsHarness) -> None:
    harness.show(build_item(1))
    await harness.poll_once()
    harness.website.pages["/presse"] = build_text_answer(b"", status=404)
    assert (await harness.poll_once()).status == 1


async def test_a_draft_whose_answer_cannot_be_read_is_published_and_gone(harness: FeedsHarness) -> None:
    harness.options = 'first_poll = "publish"\n'
    harness.show(build_item(1))
    await harness.poll_once()
    (draft,) = (harness.folder / "state" / "drafts").glob("*.json")
    where = ("--file", harness.arguments[1], "--folder", str(harness.folder / "state"))
    ended = await run_in_process("feeds", "drafts", "publish", draft.stem, *where, environment=harness.environment)
    assert (ended.status, ended.output) == (5, f"published: {draft.stem}\n"), ended.errors
    assert "It is kept" not in ended.errors
    assert (harness.list_stored("drafts"), len(await harness.list_published())) == ([], 1)

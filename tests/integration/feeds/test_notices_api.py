"""Each entry is published once or refused with its reasons, whatever the notices API answers, if at all."""

import asyncio
import json
import re

from tests.factories.feeds import build_item
from tests.harness.website import build_text_answer
from tests.integration.feeds.harness import NOWHERE, FeedsHarness
from tests.servers import WAIT_TIMEOUT_SECONDS, wait_for

REJECTED = "presse: 1 rejected by Kreisfunk; see `kreisfunk feeds drafts list`"


async def test_killed_between_publishing_and_recording_it_publishes_the_same_event(harness: FeedsHarness) -> None:
    harness.show(build_item(1))
    first = await harness.start_service()
    harness.proxy.before_answer = first.kill
    await asyncio.wait_for(first.communicate(), WAIT_TIMEOUT_SECONDS)
    second = await harness.start_service()

    async def is_recorded() -> bool:
        (state,) = harness.list_stored("memory")
        return "pending" not in state

    await wait_for(is_recorded)
    second.terminate()
    await second.communicate()
    published = await harness.list_published()
    assert (len(published), len({json.dumps(event, sort_keys=True) for event in published})) == (2, 1)
    assert harness.proxy.answered == [202, 202]


async def test_a_refused_token_says_what_to_do_and_costs_nothing(harness: FeedsHarness) -> None:
    harness.show(build_item(1))
    ended = await harness.poll_once(environment=harness.build_environment(harness.proxy.url, "not-the-token"))
    assert (ended.status, "kreisfunk tokens create" in ended.errors) == (4, True)
    assert "not-the-token" not in ended.everything
    assert (await harness.poll_once()).status == 0
    assert await harness.list_headlines() == ["Meldung 1"]


async def test_what_is_rejected_at_once_is_stored_with_its_reason(harness: FeedsHarness) -> None:
    """As when its time ran out while the notices API was away."""
    harness.show(build_item(1))
    await harness.poll_once(environment=harness.build_environment(NOWHERE))
    memory = harness.folder / "state" / "memory" / "presse.json"
    memory.write_text(re.sub(r'"expirytime":"[^"]+"', '"expirytime":"2026-01-01T00:00:00Z"', memory.read_text()))
    ended = await harness.poll_once()
    assert (ended.status, ended.output) == (1, f"presse: 1 known\n{REJECTED}\n"), ended.everything
    (refused,) = harness.list_stored("refused")
    assert [problem["field"] for problem in refused["problems"]] == ["expirytime"]
    assert (harness.list_stored("sent"), await harness.list_published()) == ([], [])
    assert (await harness.poll_once()).output == "presse: 1 known\n"


async def test_a_poll_whose_answers_cannot_be_read_says_what_it_published(harness: FeedsHarness) -> None:
    harness.proxy.refused = ("GET",)
    harness.show(build_item(1), build_item(2))
    ended = await harness.poll_once()
    assert (ended.status, ended.output) == (5, "presse: 2 published\n"), ended.errors
    assert "published, but" in ended.errors
    assert "next time" not in ended.errors
    assert len(await harness.list_published()) == 2
    harness.website.pages["/presse"] = build_text_answer(b"", status=404)
    assert (await harness.poll_once()).status == 1, "a feed that cannot be read counts more than answers"

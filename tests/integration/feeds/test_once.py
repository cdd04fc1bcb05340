"""`kreisfunk feeds once` and `run`: a real website, and the real notices API with its broker."""

import asyncio
import json
import re
import signal

import pytest

from services.feeds.decisions import MAX_DRAFTS
from tests.factories.feeds import build_item, build_rss
from tests.harness.commands import run_kreisfunk
from tests.harness.website import build_conditional_answer, build_text_answer
from tests.integration.feeds.harness import NOWHERE, FeedsHarness
from tests.servers import WAIT_TIMEOUT_SECONDS


async def test_each_entry_is_published_once_by_the_system_of_the_feeds(harness: FeedsHarness) -> None:
    harness.show(*(build_item(number) for number in range(50)))
    ended = await harness.poll_once()
    assert (ended.status, ended.output) == (0, "presse: 50 published\n"), ended.errors
    harness.show(build_item(50), build_item(51, title=""), *(build_item(n, title="neu") for n in range(49, 0, -1)))
    assert (await harness.poll_once()).output == "presse: 1 published, 49 changed, not updated, 1 broken\n"
    published = await harness.list_published()
    assert len({event["subject"] for event in published}) == len(published) == 51
    assert {(event["kreisfunksystem"], event["source"]) for event in published} == {("feeds", harness.source)}


async def test_what_has_not_changed_is_not_looked_at_unless_its_address_is_another(harness: FeedsHarness) -> None:
    harness.website.pages["/presse"] = build_conditional_answer(
        build_rss([build_item(1)]), etag='"a"', last_modified="Wed, 25 Nov 2026 10:00:00 GMT"
    )
    await harness.poll_once()
    assert (await harness.poll_once()).output == "presse: unchanged\n"
    memory = harness.folder / "state" / "memory" / "presse.json"
    memory.write_text(memory.read_text().replace(f"{harness.website.url}/presse", f"{harness.website.url}/other"))
    assert (await harness.poll_once()).output == "presse: 1 known\n"
    assert len(await harness.list_published()) == 1


async def test_by_default_the_first_poll_marks_and_what_is_new_becomes_a_draft(harness: FeedsHarness) -> None:
    harness.options = ""
    harness.show(build_item(1))
    assert (await harness.poll_once()).output == "presse: 1 marked as known\n"
    harness.show(build_item(2), build_item(1))
    assert (await harness.poll_once()).output == "presse: 1 kept as a draft, 1 known\n"
    assert await harness.list_published() == []
    (draft,) = harness.list_stored("drafts")
    assert draft["data"]["headline"] == "Meldung 2"
    assert "source" not in draft


async def test_where_too_many_drafts_wait_the_older_entries_are_only_marked(harness: FeedsHarness) -> None:
    harness.options = 'first_poll = "publish"\n'
    drafts = harness.folder / "state" / "drafts"
    drafts.mkdir(parents=True)
    for number in range(MAX_DRAFTS - 1):
        (drafts / f"presse-{number:020x}.1.json").write_text("{}")
    harness.show(build_item(2), build_item(1))
    told = "presse: 1 kept as a draft, 1 marked as known: too many drafts wait\n"
    assert (await harness.poll_once()).output == told
    assert [draft["data"]["headline"] for draft in harness.list_stored("drafts") if draft] == ["Meldung 2"]


async def test_a_notices_api_that_is_away_costs_nothing(harness: FeedsHarness) -> None:
    harness.show(build_item(2), build_item(1))
    ended = await harness.poll_once(environment=harness.build_environment(NOWHERE))
    assert ended.status == 4
    assert "published next time" in ended.errors
    harness.show(build_item(3))
    assert (await harness.poll_once()).status == 0
    assert await harness.list_headlines() == ["Meldung 1", "Meldung 2", "Meldung 3"]


@pytest.mark.parametrize(
    ("body", "status", "result", "detail"),
    [
        (build_rss([build_item(1)]), 404, "status_404", "Not Found"),
        (build_rss([build_item(1)]), 500, "status_500", "Internal Server Error"),
        (b"<html>Wartung</html>", 200, "not_a_feed", "it is a web page, not a feed"),
    ],
)
async def test_a_website_in_trouble_changes_nothing(
    body: bytes, status: int, result: str, detail: str, harness: FeedsHarness
) -> None:
    harness.website.pages["/presse"] = build_text_answer(body, status=status)
    ended = await harness.poll_once("--json")
    (origin,) = ended.json["origins"]
    assert (ended.status, origin["result"], origin["detail"]) == (1, result, f"{result}: {detail}")
    listed = await harness.run_feeds("list")
    assert re.search(r"every +failures +known", listed.output)
    assert re.search(r"15m +1 +0", listed.output)
    harness.show(build_item(1))
    assert (await harness.poll_once()).output == "presse: 1 published\n"


async def test_the_process_looks_at_once_and_ends_when_it_is_asked_to(harness: FeedsHarness) -> None:
    harness.show(build_item(1))
    process = await harness.start_service()
    await harness.wait_for_published(1)
    second = await run_kreisfunk("feeds", "once", *harness.arguments, environment=harness.environment)
    assert (second.status, "used by another" in second.errors) == (2, True)
    process.send_signal(signal.SIGTERM)
    _, complaint = await asyncio.wait_for(process.communicate(), WAIT_TIMEOUT_SECONDS)
    assert process.returncode == 0
    actions = [json.loads(line)["event"] for line in complaint.decode().splitlines()]
    assert actions[-1] == "stopped"
    assert "feed_polled" in actions

"""Answers to published entries, and what a user does with drafts and refused entries."""

import asyncio
import json
from typing import Any

import pytest

from shared.contracts.events import NoticeAccepted, NoticeRejected, Problem
from tests.factories.feeds import build_item
from tests.harness.commands import CommandResult, run_in_process
from tests.integration.feeds.harness import FeedsHarness

QUOTA = (Problem(field="quota", problem="is used up"),)


def accepted(event: dict[str, Any]) -> NoticeAccepted:
    return NoticeAccepted(source=event["source"], event=event["id"], notice=event["subject"], revision=1)


def rejected(event: dict[str, Any], problems: tuple[Problem, ...] = QUOTA) -> NoticeRejected:
    return NoticeRejected(source=event["source"], event=event["id"], notice=event["subject"], problems=problems)


async def drafts(harness: FeedsHarness, *arguments: str) -> CommandResult:
    folder = ("--folder", str(harness.folder / "state"))
    return await run_in_process("feeds", "drafts", *arguments, *folder, environment=harness.offline)


async def test_what_is_rejected_is_stored_with_its_reasons_also_if_it_is_said_while_nobody_listens(
    harness: FeedsHarness,
) -> None:
    harness.show(build_item(1), build_item(2))
    await harness.poll_once()
    first, second = await harness.list_published()
    await harness.answer(accepted(first), rejected(second))
    ended = await harness.poll_once()
    assert (ended.status, "presse: 1 rejected by Kreisfunk" in ended.output) == (1, True), ended.everything
    (refused,) = harness.list_stored("refused")
    assert refused["event"]["id"] == second["id"]
    assert refused["problems"] == [{"field": "quota", "problem": "is used up"}]
    assert harness.list_stored("sent") == []
    assert "quota: is used up" in (await drafts(harness, "list")).output
    assert (await harness.poll_once()).output == "presse: 2 known\n"


async def test_what_was_obeyed_before_and_deleted_here_is_not_refused(harness: FeedsHarness) -> None:
    harness.show(build_item(1))
    await harness.poll_once()
    (event,) = await harness.list_published()
    await harness.answer(rejected(event, (Problem(field="id", problem="was used for another event"),)))
    assert (await harness.poll_once()).status == 0
    assert (harness.list_stored("sent"), harness.list_stored("refused")) == ([], [])


async def test_it_waits_for_the_answer(harness: FeedsHarness) -> None:
    harness.show(build_item(1))
    looking = asyncio.create_task(harness.run_feeds("once", "--wait", "20", "--json"))
    await harness.wait_for_published(1)
    await harness.answer(rejected(harness.arrived[0]))
    assert (await looking).json["rejected"] == {"presse": 1}


async def test_what_was_refused_can_be_published_again_and_stays_listed_until_it_is_answered(
    harness: FeedsHarness,
) -> None:
    harness.show(build_item(1))
    await harness.poll_once()
    (event,) = await harness.list_published()
    await harness.answer(rejected(event))
    await harness.poll_once()
    (name,) = (await drafts(harness, "list", "--json")).json["refused"]
    harness.proxy.refused = ("GET",)
    ended = await harness.run_feeds("drafts", "publish", name)
    assert (ended.status, ended.output) == (5, f"published: {name}\n"), ended.errors
    assert "It is kept" not in ended.errors
    assert len(harness.list_stored("refused")) == 1
    harness.proxy.refused = ()
    first, again = await harness.list_published()
    assert again == {**first, "time": again["time"]}
    await harness.answer(accepted(event))
    await harness.poll_once()
    assert (harness.list_stored("sent"), harness.list_stored("refused")) == ([], [])


async def test_a_draft_is_shown_published_by_the_feeds_own_system_and_gone(harness: FeedsHarness) -> None:
    harness.options = 'first_poll = "publish"\n'
    harness.show(build_item(1), build_item(2))
    await harness.poll_once()
    names = list((await drafts(harness, "list", "--json")).json["drafts"])
    assert len(names) == 2
    assert (await drafts(harness, "show", names[0])).json["data"]["headline"] == "Meldung 2"
    publishing = asyncio.create_task(harness.run_feeds("drafts", "publish", names[0]))
    await harness.wait_for_published(1)
    assert (harness.arrived[0]["source"], harness.arrived[0]["kreisfunksystem"]) == (harness.source, "feeds")
    await harness.answer(rejected(harness.arrived[0]))
    ended = await publishing
    assert (ended.status, "quota: is used up" in ended.output) == (3, True), ended.everything
    assert (await drafts(harness, "drop", names[1])).status == 0
    assert list((await drafts(harness, "list", "--json")).json["drafts"]) == []
    assert list((await drafts(harness, "list", "--json")).json["refused"]) == [names[0]]


@pytest.mark.parametrize("command", ["show", "drop", "publish"])
@pytest.mark.parametrize("name", ["nothing", "../feeds", "/etc/passwd"])
async def test_a_draft_that_there_is_not_is_said_so(harness: FeedsHarness, command: str, name: str) -> None:
    (harness.folder / "state").mkdir()
    ended = await (
        harness.run_feeds("drafts", "publish", name) if command == "publish" else drafts(harness, command, name)
    )
    assert (ended.status, ended.output) == (3, "")
    assert "There is no draft" in ended.errors


async def test_a_draft_that_is_too_late_is_not_published_and_stays(harness: FeedsHarness) -> None:
    harness.options = 'first_poll = "publish"\n'
    harness.show(build_item(1))
    await harness.poll_once()
    (path,) = harness.list_files("drafts")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"expirytime": "2026-01-01T00:00:00+01:00"}))
    ended = await harness.run_feeds("drafts", "publish", path.stem)
    assert (ended.status, "expirytime: is in the past" in ended.output) == (3, True)
    assert (harness.list_files("drafts"), await harness.list_published()) == ([path], [])


async def test_the_list_says_what_is_known_and_what_waits(harness: FeedsHarness) -> None:
    harness.show(build_item(1), build_item(2), build_item(3))
    await harness.poll_once()
    first, second, _ = await harness.list_published()
    await harness.answer(accepted(first), rejected(second))
    await harness.poll_once()
    listed = await harness.run_feeds("list", "--json", environment=harness.offline)
    (known,) = listed.json["origins"]
    assert (known["name"], known["known"], known["unanswered"], known["refused"]) == ("presse", 3, 1, 1)
    assert "0 drafts and 1 refused" in (await harness.run_feeds("list", environment=harness.offline)).output


async def test_a_feed_on_the_web_is_checked_entry_by_entry_and_nothing_is_stored(harness: FeedsHarness) -> None:
    harness.show(build_item(1), build_item(2, title="x" * 300), build_item(3, title=""))
    where = ("--file", harness.arguments[1])
    ended = await run_in_process(
        "feeds", "check", f"{harness.website.url}/presse", *where, "--json", environment=harness.offline
    )
    assert ended.status == 3
    assert [entry["result"] for entry in ended.json["entries"]][-1] == "broken"
    assert ended.json["entries"][0]["events"][0]["data"]["headline"] == "Meldung 1"
    assert await harness.list_published() == []
    assert not (harness.folder / "state").exists()


async def test_a_draft_that_waits_says_what_the_website_says_now(harness: FeedsHarness) -> None:
    harness.options = 'first_poll = "publish"\nupdates = true\n'
    for title in ("Alt", "Neu"):
        harness.show(build_item(1, title=title))
        assert (await harness.poll_once()).output == "presse: 1 kept as a draft\n"
    (draft,) = harness.list_stored("drafts")
    assert draft["data"]["headline"] == "Neu"
    (name,) = (path.stem for path in harness.list_files("drafts"))
    harness.proxy.refused = ("GET",)  # nobody waits for an answer
    await harness.run_feeds("drafts", "publish", name)
    assert await harness.list_headlines() == ["Neu"]
    for title in ("Neuer", "Noch neuer"):
        harness.show(build_item(1, title=title))
        await harness.poll_once()
        (update,) = harness.list_stored("drafts")
        assert (update["data"]["headline"], update["data"]["revision"]) == (title, 2)


async def test_a_change_of_what_was_rejected_is_published_as_new(harness: FeedsHarness) -> None:
    """Nobody has anything that an update could replace: it would be rejected, too, and whatever comes after it."""
    harness.options = 'mode = "direct"\nfirst_poll = "publish"\nupdates = true\n'
    harness.show(build_item(1))
    await harness.poll_once()
    (first,) = await harness.list_published()
    await harness.answer(rejected(first))
    await harness.poll_once()
    harness.show(build_item(1, title="Neu"))
    assert (await harness.poll_once()).output.startswith("presse: 1 published\n")
    _, second = await harness.list_published()
    assert (second["type"], second["id"], second["data"]["headline"]) == (first["type"], first["id"], "Neu")
    await harness.answer(accepted(second))
    assert (await harness.poll_once()).status == 0
    assert harness.list_stored("refused") == []
    harness.show(build_item(1, title="Neuer"))
    assert (await harness.poll_once()).output == "presse: 1 updated\n"
    assert (await harness.list_published())[-1]["data"]["revision"] == 2


async def test_a_draft_that_would_update_what_was_rejected_becomes_a_new_notice(harness: FeedsHarness) -> None:
    harness.options = 'first_poll = "publish"\nupdates = true\n'
    harness.show(build_item(1))
    await harness.poll_once()
    (name,) = (path.stem for path in harness.list_files("drafts"))
    harness.proxy.refused = ("GET",)  # nobody waits for an answer
    await harness.run_feeds("drafts", "publish", name)
    (first,) = await harness.list_published()
    for title in ("Neu", "Neuer"):
        harness.show(build_item(1, title=title))
        await harness.poll_once()
    harness.proxy.refused = ()
    await harness.answer(rejected(first))
    await harness.poll_once()
    (draft,) = harness.list_stored("drafts")
    assert (draft["id"], draft["type"], draft["data"]["headline"]) == (first["id"], first["type"], "Neuer")
    assert "revision" not in draft["data"]
    harness.show(build_item(1, title="Am neuesten"))
    await harness.poll_once()
    (draft,) = harness.list_stored("drafts")
    assert draft["data"]["headline"] == "Am neuesten"

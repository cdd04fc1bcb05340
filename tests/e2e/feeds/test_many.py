"""A feed of fifty entries on the whole system: each reaches those whom it concerns, once, however the feed changes."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.steering.harness import SteeringHarness, run_steering_harness
from tests.integration.cli.commands import run_in_process
from tests.integration.feeds.website import FakeWebsite, build_text_answer, run_website
from tests.servers import wait_for
from tests.unit.feeds.factories import build_item, build_rss

pytestmark = pytest.mark.timeout(300)

PLACES = ("Grasberg", "Hambergen", "Lilienthal", "Ritterhude", "Worpswede")
NEIGHBOURS = 2
ENTRIES = 50
HEAD = """
system = "feeds"
source = "/landkreis-osterholz/internetseite"
internal_hosts = ["127.0.0.1"]
[[feeds]]
name = "presse"
url = "{url}/presse"
topic = "baustellen"
mode = "direct"
"""
RULE = """
[[feeds.rules]]
title = "{place}"
municipalities = ["{place}"]
"""


@pytest.fixture(scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SteeringHarness]:
    """Two citizens in each place: nobody gets so much in one go that Meta would make them wait for minutes."""
    folder = tmp_path_factory.mktemp("town")
    async with run_steering_harness(folder, rate=400, count=NEIGHBOURS * len(PLACES)) as running:
        yield running


async def settle(town: SteeringHarness) -> dict[int, str]:
    """Where each citizen lives, as they have told us."""
    citizens = [citizen["id"] for citizen in await town.simulator.list_citizens()]
    lives = {citizen: PLACES[number % len(PLACES)] for number, citizen in enumerate(citizens)}
    for place in PLACES:
        await town.simulator.send_text([one for one, where in lives.items() if where == place], place, per_second=50)

    async def answered() -> bool:
        replies = [message for message in await town.simulator.fetch_outbound() if not message.template]
        return len(replies) >= 2 * len(citizens)

    await wait_for(answered)
    return lives


def title(number: int) -> str:
    return f"{PLACES[number % len(PLACES)]}: Baustelle {number:02}."


async def test_each_of_fifty_entries_reaches_its_place_once_however_the_feed_changes(
    town: SteeringHarness, tmp_path: Path
) -> None:
    lives = await settle(town)
    async with run_website() as website:
        file = tmp_path / "feeds.toml"
        file.write_text(HEAD.format(url=website.url) + "".join(RULE.format(place=place) for place in PLACES))
        assert await once(website, town, file) == {"marked": 1}
        feed = [build_item(number, title=title(number)) for number in range(ENTRIES)]
        assert await once(website, town, file, *feed) == {"published": ENTRIES, "known": 1}
        changed = [build_item(number, title=f"{title(number)} (geändert)") for number in range(10)]
        again = [
            *reversed(feed[10:]),
            build_item(7, title=""),
            *changed,
            *feed[20:30],
            build_item(99, title="", description=""),
        ]
        counts = await once(website, town, file, *again)
        assert (counts["changed"], counts["known"]) == (10, ENTRIES - 10 + 1)
        assert set(counts) <= {"changed", "known", "broken"}
    await until_all_have_ended(town)
    got = Counter(
        (message.citizen, number)
        for message in await town.simulator.fetch_outbound()
        for number in range(ENTRIES)
        if title(number) in message.text
    )
    assert got == {(one, n): 1 for one, place in lives.items() for n in range(ENTRIES) if title(n).startswith(place)}
    assert await town.list_accepted("geändert") == []


async def once(website: FakeWebsite, town: SteeringHarness, file: Path, *items: str) -> dict[str, int]:
    """What became of the entries; an old one stays at the end of the feed."""
    website.pages["/presse"] = build_text_answer(build_rss([*items, build_item(1000, title="Was schon da war")]))
    where = ("--file", str(file), "--folder", str(file.parent / "kept"), "--stack", str(town.stack.folder))
    ended = await run_in_process("feeds", "once", "--wait", "30", "--json", *where, environment={})
    assert ended.status == 0, ended.everything
    assert ended.json["rejected"] == {}
    counts: dict[str, int] = ended.json["origins"][0]["entries"]
    return counts


async def until_all_have_ended(town: SteeringHarness) -> None:
    """Every notice that there is, is with everybody."""

    async def ended() -> bool:
        listed = (await town.run_kreisfunk("broadcasts", "list", "--number", "1000"))["broadcasts"]
        return [one["standing"] for one in listed] == ["finished"] * ENTRIES

    await wait_for(ended, 120)

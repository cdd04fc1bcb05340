"""A feed, and a warning with its update and its cancellation, on the whole system; the phones are the judge."""

import itertools
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from simulator.client import AcceptedMessage
from tests.e2e.notices.harness import SteeringHarness, has_everybody_once
from tests.factories.alerts import build_alert, build_area, build_info
from tests.factories.feeds import FEEDS_FILE, build_item, build_rss
from tests.harness.commands import CommandResult, run_in_process
from tests.harness.website import FakeWebsite, build_text_answer, run_website
from tests.servers import fetch_until

pytestmark = pytest.mark.timeout(300)

ALERTS = """
[[alerts]]
name = "warnung"
files = "alerts"
topic = "strassensperrungen"
mode = "direct"
every = "1m"
"""
SOON = "2099-01-01T00:00:00+01:00"
NOWHERE = {"KREISFUNK_NOTICES_API_URL": "http://127.0.0.1:1", "KREISFUNK_NOTICES_API_TOKEN": "only-for-tests"}
TOLD = ("Wasser abkochen", "Zehn Minuten kochen", "Entwarnung: Das Wasser ist rein")


@dataclass
class County:
    """A whole system with a website, and a folder in which a control centre leaves its alerts."""

    system: SteeringHarness
    website: FakeWebsite
    folder: Path
    items: list[str] = field(default_factory=list)

    @property
    def arguments(self) -> tuple[str, ...]:
        file = self.folder / "feeds.toml"
        file.write_text((FEEDS_FILE + ALERTS).format(url=self.website.url))
        return ("--file", str(file), "--folder", str(self.folder / "state"))

    def publish(self, number: int, title: str) -> None:
        self.items.insert(0, build_item(number, title=title))
        self.website.pages["/presse"] = build_text_answer(build_rss(self.items))

    def warn(self, file: str, body: bytes) -> None:
        (self.folder / "alerts" / file).write_bytes(body)

    async def run_once(self) -> CommandResult:
        ended = await run_in_process(
            "feeds", "once", *self.arguments, "--stack", str(self.system.stack.folder), environment={}
        )
        assert ended.status == 0, ended.everything
        return ended

    async def decide_and_die(self) -> dict[Path, bytes]:
        """Everything is decided and stored, and nothing published: as after a kill."""
        ended = await run_in_process("feeds", "once", *self.arguments, environment=NOWHERE)
        assert ended.status == 4
        return {path: path.read_bytes() for path in (self.folder / "state" / "memory").glob("*.json")}

    async def got(self, words: str) -> list[AcceptedMessage]:
        return await self.system.accepted.find(words)

    async def until_everybody_got(self, words: str) -> None:
        await fetch_until(lambda: self.got(words), has_everybody_once)


@pytest.fixture(scope="module")
async def county(system: SteeringHarness, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[County]:
    async with run_website() as website:
        county = County(system=system, website=website, folder=tmp_path_factory.mktemp("county"))
        (county.folder / "alerts").mkdir()
        county.publish(0, "Was schon da war")
        await county.run_once()
        yield county


def alert(identifier: str, headline: str, *, kind: str = "Alert", minute: int = 0) -> bytes:
    said = build_info(build_area("Landkreis Osterholz"), headline=headline, expires=SOON)
    references = ["w-1"] if kind != "Alert" else []
    sent = f"2026-11-25T10:{minute:02}:00+01:00"
    return build_alert(identifier, said, msgType=kind, references=references, sent=sent)


async def test_a_warning_its_update_and_its_all_clear_reach_the_phones_once_each_whoever_is_killed(
    county: County,
) -> None:
    steps = (
        (alert("w-1", "Wasser abkochen"), TOLD[0]),
        (alert("w-2", "Zehn Minuten kochen", kind="Update", minute=1), TOLD[1]),
        (alert("w-3", "Das Wasser ist rein", kind="Cancel", minute=2), TOLD[2]),
    )
    for number, (body, words) in enumerate(steps, 1):
        county.warn(f"{number}.xml", body)
        county.publish(number, f"Neues vom Landkreis Nummer {number}")
        decided = await county.decide_and_die()
        await county.run_once()
        for path, content in decided.items():
            path.write_bytes(content)  # as if it had been killed after publishing, before it could forget
        await county.run_once()
        await county.until_everybody_got(words)
        await county.until_everybody_got(f"Nummer {number}")
    await nothing_more_comes(county)
    assert await county.got("Was schon da war") == []
    times = [await moments(county, words) for words in TOLD]
    assert all(
        later > earlier
        for first, second in itertools.pairwise(times)
        for earlier, later in zip(first, second, strict=True)
    )


async def moments(county: County, words: str) -> list[float]:
    """Return when each citizen was told, in the order of citizens."""
    return [message.accepted_at for message in sorted(await county.got(words), key=lambda message: message.citizen)]


async def nothing_more_comes(county: County) -> None:
    """A notice that is published after all of this comes last; then everything that was to come is there."""
    last, _ = await county.system.publish("Zum Schluss")
    await county.system.wait_until_settled(last)
    heard: Counter[tuple[int, str]] = Counter()
    for words in (*TOLD, "Nummer 1", "Nummer 2", "Nummer 3"):
        heard.update((message.citizen, words) for message in await county.got(words))
    assert {pair: count for pair, count in heard.items() if count > 1} == {}

"""From an editor's words to the telephones; the simulator's account is the judge, whatever dies on the way."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from deploy.local.process import Child, Command
from services.newsroom.domain.accounts import Role
from tests.databases import FreshDatabase
from tests.e2e.steering.harness import CITIZENS, SteeringHarness, has_everybody_once, run_steering_harness
from tests.integration.newsroom.newsroom_process import EditorBrowser, NewsroomProcess
from tests.integration.newsroom.writing_desk import WritingDesk, format_local
from tests.servers import wait_for

pytestmark = pytest.mark.timeout(600)

BOTH = (Role.EDITOR, Role.APPROVER)
# Meta makes a person wait who has just got several messages, six seconds for each.
PATIENCE = 180


@dataclass(frozen=True, kw_only=True)
class PressTown:
    """The system, and two of the press office at their desks."""

    town: SteeringHarness
    newsroom: NewsroomProcess = field(repr=False)
    anna: WritingDesk
    ben: WritingDesk

    async def publish(self, **changes: object) -> str:
        """Written by one, approved and published by the other; the draft's path."""
        path = await self.anna.begin(**changes)
        assert (await self.anna.act(path, "einreichen")).status == 303
        assert (await self.ben.act(path, "freigeben")).status == 303
        assert (await self.ben.act(path, "veroeffentlichen")).status == 303
        return path

    async def follow(self, path: str, browser: EditorBrowser | None = None) -> str:
        """The path of the broadcast that a published draft leads to in the end."""
        found = {"location": ""}

        async def known() -> bool:
            shown = await (browser or self.anna.browser).open(path)
            found["location"] = shown.location
            return shown.location.startswith("/aussendungen/")

        await wait_for(known, PATIENCE)
        return found["location"]

    async def wait_for_text(self, path: str, text: str) -> str:
        found = {"text": ""}

        async def shown() -> bool:
            found["text"] = (await self.anna.browser.open(path)).text
            return text in found["text"]

        await wait_for(shown, PATIENCE)
        return found["text"]


@pytest.fixture(scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SteeringHarness]:
    async with run_steering_harness(tmp_path_factory.mktemp("town"), rate=400, newsrooms=1) as running:
        yield running


@pytest.fixture
async def press(town: SteeringHarness) -> AsyncIterator[PressTown]:
    owner = await asyncpg.connect(town.stack.database_url)
    newsroom = NewsroomProcess(
        url=town.stack.newsroom_url,
        archive_url=town.stack.archive_url,
        internal_url="",
        database=FreshDatabase(name="", url=town.stack.database_url),
        # The supervisor has the process; this one is never started.
        child=Child(Command(name="newsroom", arguments=(), log=town.stack.folder, environment={})),
        owner=owner,
    )
    try:
        members = [await newsroom.add_member(*BOTH) for _ in range(2)]
        async with newsroom.open_browser(members[0]) as first, newsroom.open_browser(members[1]) as second:
            yield PressTown(
                town=town, newsroom=newsroom, anna=WritingDesk(browser=first), ben=WritingDesk(browser=second)
            )
    finally:
        await owner.close()


async def test_a_notice_reaches_everybody_and_its_page_accounts_for_them(press: PressTown) -> None:
    text = f"Bis Freitag, {uuid4().hex[:8]}."
    path = await press.anna.begin(text=text)
    check = (await press.anna.browser.open(f"{path}/pruefung")).text
    assert re.search(rf"<dd>{CITIZENS}</dd>", check), "the check says how many get it"
    assert "Euro" in check
    path = await press.publish(text=text)
    broadcast = await press.follow(path)
    await press.town.wait_for_accepted(text, CITIZENS, PATIENCE)
    shown = await press.wait_for_text(broadcast, "abgeschlossen")
    assert f"{CITIZENS} von {CITIZENS} bearbeitet" in shown
    assert has_everybody_once(await press.town.list_accepted(text))
    table = (await press.anna.browser.open(f"{broadcast}/nachweis.csv")).text
    rows = dict(line.split(";", 1) for line in table.splitlines())
    states = ("gelesen", "zugestellt", "unterwegs", "übergeben", "warten noch", "nicht erreicht", "ungeklärt")
    assert sum(int(rows.get(state, 0)) for state in states) == int(rows["Empfänger"]) == CITIZENS


async def test_it_goes_out_once_though_newsroom_broker_and_subscriptions_are_killed(press: PressTown) -> None:
    text = f"Trotz allem, {uuid4().hex[:8]}."
    supervisor = press.town.stack.supervisor
    path = await press.publish(text=text)
    for name in ("newsroom-1", "rabbitmq", "subscriptions-1"):
        supervisor.kill(name)
    for name in ("newsroom-1", "rabbitmq", "subscriptions-1"):
        await supervisor.wait_until_ready(name)
    broadcast = await press.follow(path)
    await press.town.wait_for_accepted(text, CITIZENS, PATIENCE)
    await press.wait_for_text(broadcast, "abgeschlossen")
    await press.town.wait_until_settled(broadcast.removeprefix("/aussendungen/"))
    assert has_everybody_once(await press.town.list_accepted(text))


async def test_without_a_broker_the_page_says_that_it_waits(press: PressTown) -> None:
    text = f"Sobald es geht, {uuid4().hex[:8]}."
    supervisor = press.town.stack.supervisor
    path = await press.anna.begin(text=text)
    await press.anna.act(path, "einreichen")
    await press.ben.act(path, "freigeben")
    await supervisor.stop_one("rabbitmq")
    try:
        assert (await press.ben.send(path, "veroeffentlichen", 2)).status == 303
        shown = await press.wait_for_text(path, "antwortet noch nicht")
        assert "ist übergeben" not in shown
        assert await press.town.list_accepted(text) == []
    finally:
        await supervisor.start_one("rabbitmq")
    await press.wait_for_text(await press.follow(path), "abgeschlossen")
    await press.town.wait_for_accepted(text, CITIZENS, PATIENCE)
    assert has_everybody_once(await press.town.list_accepted(text))


async def test_a_correction_and_an_all_clear_reach_who_they_are_for(press: PressTown) -> None:
    mark = uuid4().hex[:8]
    path = await press.publish(text=f"Zuerst, {mark}.")
    await press.wait_for_text(await press.follow(path), "abgeschlossen")
    for name, text in (("korrigieren", f"Berichtigt, {mark}."), ("folgemeldung", f"Entwarnung, {mark}.")):
        begun = (await press.ben.send(path, name, 2)).location.partition("?")[0]
        assert (await press.ben.save(begun, text=text)).status == 303
        await press.ben.act(begun, "einreichen")
        await press.anna.act(begun, "freigeben")
        assert (await press.anna.act(begun, "veroeffentlichen")).status == 303
        broadcast = await press.follow(begun)
        await press.town.wait_for_accepted(text, CITIZENS, PATIENCE)
        shown = await press.wait_for_text(broadcast, "abgeschlossen")
        assert ("2. Fassung" in shown) == (name == "korrigieren")
        assert has_everybody_once(await press.town.list_accepted(text))


async def test_a_withdrawn_notice_reaches_nobody(press: PressTown) -> None:
    text = f"Niemals, {uuid4().hex[:8]}."
    later = format_local(datetime.now(UTC) + timedelta(hours=2))
    path = await press.publish(text=text, scheduled_at=later)
    broadcast = await press.follow(path)
    withdrawn = (await press.ben.send(path, "zurueckziehen", 2, {"reason": "Fällt aus."})).location
    await press.wait_for_text(withdrawn, "ist zurückgezogen")
    await press.wait_for_text(broadcast, "beendet, bevor alle sie hatten")
    other = f"Danach, {uuid4().hex[:8]}."
    await press.publish(text=other)
    await press.town.wait_for_accepted(other, CITIZENS, PATIENCE)
    assert await press.town.list_accepted(text) == []


async def test_what_citizens_say_is_read_in_the_newsroom(press: PressTown) -> None:
    words = f"Weiter so {uuid4().hex[:8]}"
    citizens = [each["id"] for each in await press.town.simulator.list_citizens()][:1]
    await press.town.simulator.send_text(citizens, f"Feedback: {words}", per_second=10)
    await press.wait_for_text("/rueckmeldungen?art=text", words)


async def test_progress_is_told_live_to_the_end(press: PressTown) -> None:
    text = f"Live, {uuid4().hex[:8]}."
    path = await press.publish(text=text)
    broadcast = await press.follow(path)
    async with asyncio.timeout(PATIENCE):
        async with press.anna.browser.session.get(f"{press.newsroom.url}{broadcast}/strom") as response:
            told = (await response.content.read()).decode()
    assert f"{CITIZENS} von {CITIZENS}" in told
    assert "event: end" in told

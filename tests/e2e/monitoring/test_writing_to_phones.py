"""From an editor's words to the telephones; the simulator's account is the judge, whatever dies on the way."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.e2e.monitoring.editorial_system import PATIENCE, EditorialSystem
from tests.e2e.monitoring.monitored_system import MonitoredSystem
from tests.e2e.notices.harness import CITIZENS
from tests.harness.writing import format_local
from tests.servers import fetch_until

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
async def editors(system: MonitoredSystem) -> EditorialSystem:
    return system.editors


async def test_a_notice_reaches_everybody_and_its_page_accounts_for_them(editors: EditorialSystem) -> None:
    text = f"Bis Freitag, {uuid4().hex[:8]}."
    path = await editors.anna.begin(text=text)
    check = (await editors.anna.browser.open(f"{path}/pruefung")).text
    assert re.search(rf"<dd>{CITIZENS}</dd>", check), "the check says how many get it"
    assert "Euro" in check
    path = await editors.publish(text=text)
    broadcast = await editors.follow(path)
    await editors.wait_for_everybody(text)
    shown = await editors.wait_for_text(broadcast, "abgeschlossen")
    assert f"{CITIZENS} von {CITIZENS} erledigt" in shown
    table = (await editors.anna.browser.open(f"{broadcast}/nachweis.csv")).text
    rows = dict(line.split(";", 1) for line in table.splitlines())
    states = ("gelesen", "zugestellt", "unterwegs", "übergeben", "warten noch", "nicht erreicht", "ungeklärt")
    assert sum(int(rows.get(state, 0)) for state in states) == int(rows["Empfänger"]) == CITIZENS


async def test_it_goes_out_once_though_newsroom_broker_and_subscriptions_are_killed(editors: EditorialSystem) -> None:
    text = f"Trotz allem, {uuid4().hex[:8]}."
    supervisor = editors.stack.supervisor
    path = await editors.publish(text=text)
    for name in ("newsroom-1", "rabbitmq", "subscriptions-1"):
        supervisor.kill(name)
    for name in ("newsroom-1", "rabbitmq", "subscriptions-1"):
        await supervisor.wait_until_ready(name)
    broadcast = await editors.follow(path)
    await editors.wait_for_text(broadcast, "abgeschlossen")
    await editors.wait_for_everybody(text)


async def test_without_a_broker_the_page_says_that_it_waits(editors: EditorialSystem) -> None:
    text = f"Sobald es geht, {uuid4().hex[:8]}."
    supervisor = editors.stack.supervisor
    path = await editors.approve(text=text)
    await supervisor.stop_one("rabbitmq")
    try:
        assert (await editors.ben.send(path, "veroeffentlichen", 2)).status == 303
        shown = await editors.wait_for_text(path, "antwortet noch nicht")
        assert "ist übergeben" not in shown
        assert await editors.accepted.find(text) == []
    finally:
        await supervisor.start_one("rabbitmq")
    await editors.wait_for_text(await editors.follow(path), "abgeschlossen")
    await editors.wait_for_everybody(text)


async def test_a_correction_and_an_all_clear_reach_who_they_are_for(editors: EditorialSystem) -> None:
    mark = uuid4().hex[:8]
    path = await editors.publish(text=f"Zuerst, {mark}.")
    await editors.wait_for_text(await editors.follow(path), "abgeschlossen")
    for name, text in (("korrigieren", f"Berichtigt, {mark}."), ("folgemeldung", f"Entwarnung, {mark}.")):
        begun = (await editors.ben.send(path, name, 2)).location.partition("?")[0]
        assert (await editors.ben.save(begun, text=text)).status == 303
        await editors.ben.act(begun, "einreichen")
        await editors.anna.act(begun, "freigeben")
        assert (await editors.anna.act(begun, "veroeffentlichen")).status == 303
        broadcast = await editors.follow(begun)
        shown = await editors.wait_for_text(broadcast, "abgeschlossen")
        title, _, related = shown.partition("Gehört dazu")
        assert ("2. Fassung" in title) == (name == "korrigieren")
        assert ("2. Fassung" in related) == (name == "folgemeldung")
        await editors.wait_for_everybody(text)


async def test_a_withdrawn_notice_reaches_nobody(editors: EditorialSystem) -> None:
    text = f"Niemals, {uuid4().hex[:8]}."
    later = format_local(datetime.now(UTC) + timedelta(hours=2))
    path = await editors.publish(text=text, scheduled_at=later)
    broadcast = await editors.follow(path)
    withdrawn = (await editors.ben.send(path, "zurueckziehen", 2, {"reason": "Fällt aus."})).location
    await editors.wait_for_text(withdrawn, "ist zurückgezogen")
    await editors.wait_for_text(broadcast, ">zurückgezogen</span>")
    other = f"Danach, {uuid4().hex[:8]}."
    await editors.publish(text=other)
    await editors.wait_for_everybody(other)
    assert await editors.accepted.find(text) == []


async def test_what_is_withdrawn_before_the_notices_api_is_back_reaches_nobody(editors: EditorialSystem) -> None:
    text = f"Doch nicht, {uuid4().hex[:8]}."
    path = await editors.approve(text=text)
    await editors.stack.supervisor.stop_one("notices-1")
    try:
        assert (await editors.ben.send(path, "veroeffentlichen", 2)).status == 303
        withdrawn = (await editors.ben.send(path, "zurueckziehen", 2, {"reason": "Fällt aus."})).location
    finally:
        await editors.stack.supervisor.start_one("notices-1")
    await editors.wait_for_text(withdrawn, "ist zurückgezogen")
    await editors.wait_for_text(path, "Niemand hat sie bekommen.")
    assert await editors.accepted.find(text) == []


async def test_an_editor_sees_a_draft_on_their_own_telephone_and_nobody_else_does(editors: EditorialSystem) -> None:
    text = f"Erst ansehen, {uuid4().hex[:8]}."
    path = await editors.anna.begin(text=text)
    words = re.search(r"Test [0-9]{4} [0-9]{4}", (await editors.anna.act(path, "testen")).text)
    assert words is not None
    telephone = [each["id"] for each in await editors.simulator.list_citizens()][:1]
    await editors.simulator.send_text(telephone, words[0], per_second=10)
    await fetch_until(editors.accepted.fetch, lambda found: any(text in each.text for each in found), PATIENCE)
    shown = [each for each in await editors.accepted.fetch() if text in each.text]
    assert [(each.citizen, each.template) for each in shown] == [(telephone[0], False)]
    assert shown[0].text.startswith("Testnachricht der Redaktion, nicht veröffentlicht:")


async def test_what_citizens_say_is_read_in_the_newsroom(editors: EditorialSystem) -> None:
    words = f"Weiter so {uuid4().hex[:8]}"
    citizens = [each["id"] for each in await editors.simulator.list_citizens()][:1]
    await editors.simulator.send_text(citizens, f"Feedback: {words}", per_second=10)
    await editors.wait_for_text("/rueckmeldungen?art=text", words)


async def test_progress_is_told_live_to_the_end(editors: EditorialSystem) -> None:
    text = f"Live, {uuid4().hex[:8]}."
    path = await editors.publish(text=text)
    broadcast = await editors.follow(path)
    async with asyncio.timeout(PATIENCE):
        async with editors.anna.browser.session.get(f"{editors.newsroom.url}{broadcast}/strom") as response:
            told = (await response.content.read()).decode()
    assert f"{CITIZENS} von {CITIZENS}" in told
    assert "event: end" in told

"""Writing, approving and watching in a browser, and everything that somebody may try there."""

import asyncio
import json
import re
from collections.abc import AsyncIterable

import pytest

from services.newsroom.domain.accounts import Role
from tests.harness.newsroom import NewsroomProcess
from tests.harness.writing import (
    WritingHarness,
    add_broadcast,
    build_fields,
    read_state,
)
from tests.servers import WAIT_TIMEOUT_SECONDS

BOTH = (Role.EDITOR, Role.APPROVER)


async def test_own_notices_are_approved_by_nobody_who_wrote_them(newsroom: NewsroomProcess) -> None:
    """Neither by a form that no page shows, nor by a second account of the same human."""
    member = await newsroom.add_member(*BOTH)
    again = newsroom.open_as(*BOTH, person=member.account.person)
    async with newsroom.open_browser(member) as first, again as second:
        editors = [WritingHarness(browser=browser) for browser in (first, second)]
        path = await editors[0].begin()
        await editors[0].act(path, "einreichen")
        for editor in editors:
            assert "/freigeben" not in await editor.read(f"{path}/pruefung")
            refused = await editor.send(path, "freigeben", 2)
            assert (refused.status, "andere Person" in refused.text) == (422, True)
    assert await read_state(newsroom.owner, path) == ("pending", 2)


async def test_saving_in_the_background_tells_the_version_or_the_conflict(
    anna: WritingHarness, ben: WritingHarness
) -> None:
    path = await anna.begin()
    saved = await anna.save(path, version="2", then="autosave", text="Neu.")
    assert (saved.status, json.loads(saved.text)) == (200, {"version": 3})
    late = await ben.save(path, version="2", then="autosave", text="Zu spät.")
    assert (late.status, json.loads(late.text)) == (409, {"conflict": path})


async def test_problems_are_named_at_their_fields(anna: WritingHarness) -> None:
    path = await anna.begin(headline="", link="https://example.org/x", then="check")
    shown = await anna.browser.open(f"{path}?pruefen=1")
    for name in ("headline", "link"):
        assert f'id="{name}-error"' in shown.text
    assert "Bitte füllen Sie dieses Feld aus." in shown.text
    assert 'id="text-error"' not in shown.text


@pytest.mark.parametrize(
    "path", ["/entwuerfe/{}", "/entwuerfe/{}/pruefung", "/aussendungen/{}", "/aussendungen/{}/strom"]
)
async def test_what_does_not_exist_is_not_found(anna: WritingHarness, path: str) -> None:
    for name in ("", "x", "..%2f", "00000000-0000-0000-0000-000000000000", "%00"):
        assert (await anna.browser.open(path.format(name))).status == 404, name


HOSTILE = '"><script>alert(1)</script>{{ 123456 * 7 }}'


async def test_hostile_words_are_shown_as_words(anna: WritingHarness, ben: WritingHarness) -> None:
    path = await anna.begin(headline=HOSTILE, text=HOSTILE, link=HOSTILE, picture=HOSTILE)
    pages = [path, f"{path}/pruefung", f"{path}/staende", "/entwuerfe", "/"]
    texts = [await anna.read(page) for page in pages]
    conflict = await ben.save(path, version="1", headline=HOSTILE, text=HOSTILE)
    shown = await anna.browser.open(path)
    preview = await anna.browser.send("/vorschau", build_fields(headline=HOSTILE), csrf=shown.csrf)
    for text in (*texts, conflict.text, preview.text):
        assert "<script>alert" not in text
        assert "864192" not in text
    assert "&lt;script&gt;" in conflict.text


async def test_a_pasted_character_that_no_database_stores_takes_no_other_with_it(anna: WritingHarness) -> None:
    assert ">\neins zwei</textarea>" in await anna.read(await anna.begin(text="eins\0 zwei"))


async def read_event(lines: AsyncIterable[bytes]) -> str:
    """The data of the next event."""
    data = ""
    async for line in lines:
        text = line.decode()
        if text.startswith("data: "):
            data += text.removeprefix("data: ")
        elif data and not text.strip():
            return data
    return data


async def test_the_stream_tells_each_change_and_ends_with_the_broadcast(
    newsroom: NewsroomProcess, anna: WritingHarness
) -> None:
    broadcast = await add_broadcast(newsroom.owner)
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        async with anna.browser.session.get(f"{newsroom.url}/aussendungen/{broadcast}/strom") as response:
            assert response.headers["Content-Type"].startswith("text/event-stream")
            assert "6 von 10" in await read_event(response.content)
            change = "update newsroom.broadcast set states = $2, finished_at = now() where id = $1"
            await newsroom.owner.execute(change, broadcast, '{"delivered": 10}')
            assert "10 von 10" in await read_event(response.content)
            assert "event: end" in (await response.content.read()).decode()


@pytest.mark.parametrize(
    "end",
    [
        "update newsroom.session set revoked_at = now() where account = $1",
        "update newsroom.account set disabled_at = now() where id = $1",
    ],
)
async def test_a_session_that_ends_takes_its_own_stream_along(
    newsroom: NewsroomProcess, anna: WritingHarness, end: str
) -> None:
    broadcast = await add_broadcast(newsroom.owner)
    path = f"/aussendungen/{broadcast}"
    member = await newsroom.add_member(*BOTH)
    stream = f"{newsroom.url}{path}/strom"
    others, own = anna.browser.session.get(stream), newsroom.open_browser(member)
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS), others as goes_on, own as browser:
        assert "6 von 10" in await read_event(goes_on.content)
        async with browser.session.get(stream) as ends:
            assert "6 von 10" in await read_event(ends.content)
            await newsroom.owner.execute(end, member.account.id)
            await ends.content.read()
        await newsroom.owner.execute("update newsroom.broadcast set audience = 11 where id = $1", broadcast)
        assert (await browser.open(path)).location.startswith("/anmelden")
        assert "6 von 11" in await read_event(goes_on.content)


WORDS = "Eine halbe Stunde Arbeit."


async def test_a_date_that_is_none_is_an_error_at_its_field(anna: WritingHarness) -> None:
    path = await anna.begin()
    refused = await anna.save(path, text=WORDS, urgent="1", expires_at="0026-11-16T18:00", then="check")
    assert (refused.status, 'id="scheduled_at-error"' in refused.text) == (422, False)
    for words in (WORDS, 'id="expires_at-error"', 'value="0026-11-16T18:00"', 'name="urgent" value="1" checked'):
        assert words in refused.text
    assert await read_state(anna.owner, path) == ("draft", 2)


async def test_a_form_with_an_error_does_not_learn_of_a_newer_version(
    anna: WritingHarness, ben: WritingHarness
) -> None:
    """Else the next save would overwrite it."""
    path = await anna.begin()
    await ben.save(path, version="2", text="Worte von Ben.")
    refused = await anna.save(path, version="2", text=WORDS, expires_at="0026-11-16T18:00")
    assert (refused.status, refused.read_value("version")) == (422, "2")


async def test_what_is_too_long_is_an_error_at_its_field(anna: WritingHarness) -> None:
    path = await anna.begin()
    refused = await anna.save(path, text="x" * 3_000, headline=WORDS)
    assert refused.status == 422
    for words in (WORDS, "x" * 3_000, 'id="text-error"'):
        assert words in refused.text
    (shown,) = re.findall("(x+) Prüfcode", refused.text)
    assert len(shown) == 2_000, "the preview of a long text would keep everybody waiting"


@pytest.mark.parametrize("act", ["verwerfen", "veroeffentlichen"])
async def test_what_is_written_in_a_draft_that_has_ended_is_shown_again(
    anna: WritingHarness, ben: WritingHarness, act: str
) -> None:
    path = await anna.begin(topic="stellen", headline="Bauingenieurin")
    if act == "veroeffentlichen":
        await anna.publish(ben, path)
    else:
        assert (await anna.send(path, act, 2)).status == 303
    refused = await ben.save(path, version="2", text=WORDS, link="https://www.landkreis-osterholz.de/neu")
    assert refused.status == 422
    for words in (WORDS, "https://www.landkreis-osterholz.de/neu", "lässt sich nicht mehr ändern", f'href="{path}"'):
        assert words in refused.text


async def test_saving_in_the_background_tells_why_it_is_refused(anna: WritingHarness) -> None:
    path = await anna.begin()

    async def save(**changes: str) -> str:
        refused = await anna.save(path, version="2", then="autosave", **changes)
        assert refused.status == 422
        return str(json.loads(refused.text)["refused"])

    for changes, reason in (
        ({"expires_at": "0026-11-16T18:00"}, "Gültig bis: Bitte geben Sie Datum und Uhrzeit an"),
        ({"text": "x" * 3_000}, "Text: Bitte kürzen"),
    ):
        told = await save(**changes)
        assert (told.startswith(reason), "Kopieren" in told) == (True, False)
    assert (await anna.send(path, "verwerfen", 2)).status == 303
    told = await save(text=WORDS)
    assert told.startswith("Der Entwurf ist inzwischen veröffentlicht oder verworfen")
    assert "Kopieren Sie Ihren Text." in told


async def test_saving_in_the_background_takes_nothing_back_that_a_colleague_has_said_meanwhile(
    anna: WritingHarness, ben: WritingHarness
) -> None:
    path = await anna.begin()
    await ben.act(path, "einreichen")
    refused = await anna.save(path, version="2", then="autosave", text=WORDS)
    told = json.loads(refused.text)["refused"]
    assert (refused.status, "Wenn Sie speichern, muss er erneut freigegeben werden." in told) == (422, True)
    assert "Kopieren" not in told
    assert await read_state(anna.owner, path) == ("pending", 2)
    saved = await anna.save(path, version="2", then="save", text=WORDS)
    assert await read_state(anna.owner, path) == ("draft", 3)
    assert "Geben Sie ihn erneut zur Freigabe." in await anna.read(saved.location)


async def test_whoever_opens_what_is_submitted_is_told_before_it_is_saved_in_the_background(
    anna: WritingHarness, ben: WritingHarness
) -> None:
    path = await anna.begin()
    assert 'name="told"' not in await anna.read(path)
    await anna.act(path, "einreichen")
    shown = await anna.browser.open(f"{path}?bearbeiten=1")
    assert "Sobald Sie etwas ändern, muss die Meldung erneut freigegeben werden." in shown.text
    assert (await anna.save(path, then="autosave", text=WORDS, told=shown.read_value("told"))).status == 200
    assert await read_state(anna.owner, path) == ("draft", 3)
    await ben.act(path, "einreichen")  # which the page that is still open does not tell
    again = await anna.save(path, version="3", then="autosave", text="Noch mehr.", told=shown.read_value("told"))
    assert (again.status, await read_state(anna.owner, path)) == (422, ("pending", 3))


async def test_two_who_write_at_once_see_both_versions_and_keep_what_only_one_has_changed(
    anna: WritingHarness, ben: WritingHarness
) -> None:
    path = await anna.begin(expires_at="2031-05-01T18:00")
    ben_changes = {"expires_at": "2031-04-01T18:00", "municipalities": "Grasberg", "topic": "baustellen", "urgent": "1"}
    assert (await ben.save(path, version="2", **ben_changes)).status == 303
    conflict = await anna.save(path, version="2", text="Worte von Anna.", expires_at="2031-05-01T18:00")
    assert (conflict.status, await read_state(anna.owner, path)) == (409, ("draft", 3))
    saved, _, mine = conflict.text.partition("Ihr Stand")
    for words in ("01.04.2031, 18:00", "Grasberg", "Eilmeldung", "Baustellen"):
        assert words in saved
    assert "Sie unterscheiden sich in: Text." in conflict.text
    for words in (
        'type="datetime-local" value="2031-04-01T18:00"',
        'value="Grasberg" checked',
        'name="urgent" value="1" checked',
        '<option value="baustellen" selected',
        "Worte von Anna.",
    ):
        assert words in mine
    merged = build_fields(text="Worte von beiden.", version=conflict.read_value("version"))
    assert (await anna.browser.send(path, merged, csrf=conflict.csrf)).status == 303
    assert "Worte von beiden." in await anna.read(f"{path}/staende")


async def test_whoever_names_no_version_sees_all_of_both(anna: WritingHarness) -> None:
    path = await anna.begin(expires_at="2031-05-01T18:00")
    conflict = await anna.save(path, version="0", text="Worte.", expires_at="2031-04-01T18:00", picture="https://x/y")
    assert conflict.status == 409
    assert "Sie unterscheiden sich in: Text, Bild, Gültig bis." in conflict.text
    assert conflict.read_value("expires_at") == "2031-04-01T18:00"
    assert conflict.read_value("picture") == "https://x/y"

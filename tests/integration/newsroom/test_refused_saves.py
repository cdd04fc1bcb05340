"""Saves that are refused, or meet a newer version: nothing that anybody has written is lost."""

import json

import pytest

from tests.harness.newsroom import NewsroomProcess
from tests.harness.writing_desk import WritingDesk, build_fields, read_state

WORDS = "Eine halbe Stunde Arbeit."


async def test_a_date_that_is_none_is_an_error_at_its_field(newsroom: NewsroomProcess, anna: WritingDesk) -> None:
    path = await anna.begin()
    refused = await anna.save(path, text=WORDS, urgent="1", expires_at="0026-11-16T18:00", then="check")
    assert refused.status == 422
    assert WORDS in refused.text
    assert 'id="expires_at-error"' in refused.text
    assert 'value="0026-11-16T18:00"' in refused.text
    assert 'name="urgent" value="1" checked' in refused.text
    assert 'id="scheduled_at-error"' not in refused.text
    assert await read_state(newsroom.owner, path) == ("draft", 2)


async def test_a_form_with_an_error_does_not_learn_of_a_newer_version(anna: WritingDesk, ben: WritingDesk) -> None:
    """Else the next save would overwrite it."""
    path = await anna.begin()
    await ben.save(path, version="2", text="Worte von Ben.")
    refused = await anna.save(path, version="2", text=WORDS, expires_at="0026-11-16T18:00")
    assert (refused.status, refused.read_value("version")) == (422, "2")


async def test_what_is_too_long_is_an_error_at_its_field(anna: WritingDesk) -> None:
    path = await anna.begin()
    refused = await anna.save(path, text="x" * 3_000, headline=WORDS)
    assert refused.status == 422
    for words in (WORDS, "x" * 3_000, 'id="text-error"'):
        assert words in refused.text


@pytest.mark.parametrize("act", ["verwerfen", "veroeffentlichen"])
async def test_what_is_written_in_a_draft_that_has_ended_is_shown_again(
    anna: WritingDesk, ben: WritingDesk, act: str
) -> None:
    path = await anna.begin(topic="stellen", headline="Bauingenieurin")
    if act == "veroeffentlichen":
        await anna.act(path, "einreichen")
        await ben.act(path, "freigeben")
    assert (await anna.send(path, act, 2)).status == 303
    refused = await ben.save(path, version="2", text=WORDS, link="https://www.landkreis-osterholz.de/neu")
    assert refused.status == 422
    for words in (WORDS, "https://www.landkreis-osterholz.de/neu", "lässt sich nicht mehr ändern", f'href="{path}"'):
        assert words in refused.text


async def test_saving_in_the_background_tells_why_it_is_refused(anna: WritingDesk) -> None:
    path = await anna.begin()
    shown = await anna.browser.open(path)
    fields = build_fields(then="autosave", version=2)
    for changes, reason in (
        ({"expires_at": "0026-11-16T18:00"}, "Gültig bis: Bitte geben Sie Datum und Uhrzeit an"),
        ({"text": "x" * 3_000}, "Text: Bitte kürzen"),
    ):
        refused = await anna.browser.send(path, {**fields, **changes}, csrf=shown.csrf)
        assert refused.status == 422
        told = json.loads(refused.text)["refused"]
        assert (told.startswith(reason), "Kopieren" in told) == (True, False)
    assert (await anna.send(path, "verwerfen", 2)).status == 303
    refused = await anna.browser.send(path, {**fields, "text": WORDS}, csrf=shown.csrf)
    assert refused.status == 422
    told = json.loads(refused.text)["refused"]
    assert told.startswith("Der Entwurf ist inzwischen veröffentlicht oder verworfen")
    assert "Kopieren Sie Ihren Text." in told


async def test_saving_in_the_background_takes_nothing_back_that_a_colleague_has_said_meanwhile(
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk
) -> None:
    path = await anna.begin()
    shown = await anna.browser.open(path)
    fields = build_fields(then="autosave", version=2, text=WORDS)
    await ben.act(path, "einreichen")
    refused = await anna.browser.send(path, fields, csrf=shown.csrf)
    told = json.loads(refused.text)["refused"]
    assert (refused.status, "Wenn Sie speichern, muss er erneut freigegeben werden." in told) == (422, True)
    assert "Kopieren" not in told
    assert await read_state(newsroom.owner, path) == ("pending", 2)
    saved = await anna.browser.send(path, {**fields, "then": "save"}, csrf=shown.csrf)
    assert await read_state(newsroom.owner, path) == ("draft", 3)
    assert "Geben Sie ihn erneut zur Freigabe." in (await anna.browser.open(saved.location)).text


async def test_whoever_opens_what_is_submitted_is_told_before_it_is_saved_in_the_background(
    newsroom: NewsroomProcess, anna: WritingDesk
) -> None:
    path = await anna.begin()
    assert 'name="told"' not in (await anna.browser.open(path)).text
    await anna.act(path, "einreichen")
    shown = await anna.browser.open(f"{path}?bearbeiten=1")
    assert "Sobald Sie etwas ändern, muss die Meldung erneut freigegeben werden." in shown.text
    fields = build_fields(then="autosave", version=2, text=WORDS, told=shown.read_value("told"))
    assert (await anna.browser.send(path, fields, csrf=shown.csrf)).status == 200
    assert await read_state(newsroom.owner, path) == ("draft", 3)


async def test_what_only_a_colleague_has_changed_is_seen_and_kept(anna: WritingDesk, ben: WritingDesk) -> None:
    path = await anna.begin(expires_at="2031-05-01T18:00")
    ben_changes = {"expires_at": "2031-04-01T18:00", "municipalities": "Grasberg", "topic": "baustellen", "urgent": "1"}
    assert (await ben.save(path, version="2", **ben_changes)).status == 303
    conflict = await anna.save(path, version="2", text="Worte von Anna.", expires_at="2031-05-01T18:00")
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


async def test_whoever_names_no_version_sees_all_of_both(anna: WritingDesk) -> None:
    path = await anna.begin(expires_at="2031-05-01T18:00")
    conflict = await anna.save(path, version="0", text="Worte.", expires_at="2031-04-01T18:00", picture="https://x/y")
    assert conflict.status == 409
    assert "Sie unterscheiden sich in: Text, Bild, Gültig bis." in conflict.text
    assert conflict.read_value("expires_at") == "2031-04-01T18:00"
    assert conflict.read_value("picture") == "https://x/y"

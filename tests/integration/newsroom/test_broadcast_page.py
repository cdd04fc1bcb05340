"""Page and certificate of a broadcast: the message as citizens got it, and the broadcasts that belong to it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.newsroom.domain.archive import derive_code, format_code
from tests.harness.newsroom import NewsroomProcess
from tests.harness.writing_desk import WritingDesk, add_broadcast

_BECOME = """
    update newsroom.publication p set broadcast = $2 from newsroom.draft d where d.id = p.draft and d.id = $1
    returning p.id, d.notice
"""


async def publish(newsroom: NewsroomProcess, desk: WritingDesk, **fields: str) -> tuple[UUID, UUID, UUID]:
    """The draft, its publication, and the broadcast that it became."""
    path, broadcast = await desk.begin(urgent="1", **fields), uuid4()
    assert (await desk.send(path, "notfall", 2, {"reason": "Bombenfund"})).status == 303
    return await become(newsroom, UUID(path.split("/")[2]), broadcast)


async def become(newsroom: NewsroomProcess, draft: UUID, broadcast: UUID, **told: Any) -> tuple[UUID, UUID, UUID]:
    (row,) = await newsroom.owner.fetch(_BECOME, draft, broadcast)
    await add_broadcast(newsroom.owner, id=broadcast, notice=row["notice"], **told)
    return draft, row["id"], broadcast


async def test_what_was_sent_is_shown_with_its_own_code(newsroom: NewsroomProcess, anna: WritingDesk) -> None:
    draft, publication, broadcast = await publish(newsroom, anna, text="Die Brücke ist gesperrt.")
    code = format_code(derive_code(publication))
    page = (await anna.browser.open(f"/aussendungen/{broadcast}")).text
    assert f'Die Brücke ist gesperrt. Prüfcode: <span class="nw-code">{code}</span>' in page
    assert f"/entwuerfe/{draft}/staende" in page
    certificate = (await anna.browser.open(f"/aussendungen/{broadcast}/nachweis")).text
    table = (await anna.browser.open(f"/aussendungen/{broadcast}/nachweis.csv")).text
    for name, value in (("Prüfcode", code), ("Herausgeber", "Landkreis Osterholz")):
        assert f"<dt>{name}</dt><dd" in certificate
        assert f"{value}</dd>" in certificate
        assert f"{name};{value}" in table
    for name in ("Gemeinden", "Gültig bis", "Text"):
        assert f"<dt>{name}</dt>" in certificate
        assert f"\n{name};" in table


async def test_before_it_is_sent_the_code_is_already_the_one_that_citizens_get(
    newsroom: NewsroomProcess, anna: WritingDesk
) -> None:
    path = await anna.begin(urgent="1")
    assert "ABCD-EFGH" in (await anna.browser.open(f"{path}/pruefung")).text
    await anna.send(path, "notfall", 2, {"reason": "Bombenfund"})
    find = "select id from newsroom.publication where draft = $1"
    publication = await newsroom.owner.fetchval(find, UUID(path.split("/")[2]))
    shown = (await anna.browser.open(path)).text
    assert format_code(derive_code(publication)) in shown
    assert "ABCD-EFGH" not in shown


@pytest.mark.parametrize("act", ["korrigieren", "folgemeldung"])
async def test_a_notice_and_what_came_later_lead_to_each_other(
    newsroom: NewsroomProcess, anna: WritingDesk, act: str
) -> None:
    draft, _, first = await publish(newsroom, anna)
    begun = (await anna.send(f"/entwuerfe/{draft}", act, 2)).location.partition("?")[0]
    later = UUID(begun.split("/")[2])
    notice = await newsroom.owner.fetchval("select notice from newsroom.draft where id = $1", draft)
    second = uuid4()
    own = await newsroom.owner.fetchval("select notice from newsroom.draft where id = $1", later)
    same = act == "korrigieren"
    await add_broadcast(
        newsroom.owner, id=second, notice=notice if same else own, revision=2 if same else 1, headline="Später"
    )
    await newsroom.owner.execute(
        "update newsroom.broadcast set accepted_at = accepted_at + interval '1 hour' where id = $1", second
    )
    before, after = [(await anna.browser.open(f"/aussendungen/{each}")).text for each in (first, second)]
    assert f'href="/aussendungen/{second}">Später</a>' in before
    assert ("Korrektur, 2. Fassung" if same else "Folgemeldung, 1. Fassung") in before
    assert f'href="/aussendungen/{first}">' in after
    assert (f"/entwuerfe/{draft}/korrigieren" in before) != same
    assert ("Es gibt eine neuere Fassung" in before) == same
    assert ("frühere Fassung" if same else "Meldung, auf die diese folgt") in after


async def test_a_planned_revision_that_was_replaced_is_not_shown_as_sent(
    newsroom: NewsroomProcess, anna: WritingDesk
) -> None:
    at = datetime(2026, 12, 24, 15, tzinfo=UTC)
    never: dict[str, Any] = {"started_at": None, "states": "{}", "scheduled_at": at, "notice": "n-plan"}
    accepted = datetime(2026, 11, 1, 8, tzinfo=UTC)
    await add_broadcast(newsroom.owner, accepted_at=accepted, cancelled_at=accepted, **never)
    later = accepted + timedelta(hours=1)
    second = await add_broadcast(newsroom.owner, accepted_at=later, revision=2, **never)
    related = (await anna.browser.open(f"/aussendungen/{second}")).text.split(">Gehört dazu</h3>")[1].split("</ul>")[0]
    assert "frühere Fassung, 1. Fassung · war geplant für 24.12.2026, 16:00 Uhr</p>" in related
    assert "01.11.2026" not in related


async def test_what_is_sent_does_not_say_that_it_will_be_sent_at_once(
    newsroom: NewsroomProcess, anna: WritingDesk
) -> None:
    at_once = "sofort nach dem Veröffentlichen"
    path = await anna.begin()
    assert at_once in (await anna.browser.open(f"{path}/pruefung")).text
    draft, _, broadcast = await publish(newsroom, anna)
    for page in (f"/aussendungen/{broadcast}", f"/entwuerfe/{draft}/pruefung", f"/entwuerfe/{draft}/staende"):
        shown = (await anna.browser.open(page)).text
        assert (at_once in shown, "<dt>Gültig bis</dt>" in shown) == (False, True)


async def test_a_certificate_is_printed_without_the_shadows_of_what_scrolls(
    newsroom: NewsroomProcess, anna: WritingDesk
) -> None:
    broadcast = await add_broadcast(newsroom.owner)
    page = (await anna.browser.open(f"/aussendungen/{broadcast}/nachweis")).text
    (sheet,) = re.findall(r'href="([^"]+/newsroom\.css)"', page)
    printed = (await anna.browser.open(sheet)).text.split("@media print {")[1].split("\n}\n")[0]
    assert "background: none;" in printed.split(".nr-scroll {")[1].split("}")[0]


async def test_the_broadcast_of_another_system_shows_what_events_have_told(
    newsroom: NewsroomProcess, anna: WritingDesk
) -> None:
    broadcast = await add_broadcast(newsroom.owner, headline="Von nebenan", notice="n-nebenan")
    page = (await anna.browser.open(f"/aussendungen/{broadcast}")).text
    assert "ein anderes Fachverfahren" in page
    assert "Die Meldung</h2>" not in page
    assert "Prüfcode" not in (await anna.browser.open(f"/aussendungen/{broadcast}/nachweis")).text


async def test_what_is_planned_says_so(newsroom: NewsroomProcess, anna: WritingDesk) -> None:
    never: dict[str, Any] = {"started_at": None, "states": "{}"}
    planned = await add_broadcast(newsroom.owner, **never)
    await newsroom.owner.execute("update newsroom.broadcast set scheduled_at = now() + '1 day' where id = $1", planned)
    taken = await add_broadcast(newsroom.owner, **never)
    assert ">geplant</span>" in (await anna.browser.open(f"/aussendungen/{planned}")).text
    assert ">angenommen</span>" in (await anna.browser.open(f"/aussendungen/{taken}")).text

"""The page of the audit log: one row for what was saved again and again, and a way to what an act was about."""

import re
from collections.abc import AsyncIterator

import pytest

from services.newsroom.domain.accounts import Role
from tests.harness.newsroom import EditorBrowser, NewsroomProcess
from tests.harness.writing import WritingHarness, add_broadcast, parse_draft_id

_ROW = re.compile(r'<tr class="kern-table__row">\s*(<td.*?)</tr>', re.DOTALL)
_CELL = re.compile(r"<td[^>]*>(.*?)</td>", re.DOTALL)
_SAVE = """
    insert into newsroom.audit (account, action, object, detail)
    select id, 'draft.saved', 'n', jsonb_build_object('draft', $2::text, 'version', number::text)
    from newsroom.account, generate_series(1, $3) number where login = $1
"""


@pytest.fixture
async def reader(newsroom: NewsroomProcess) -> AsyncIterator[EditorBrowser]:
    async with newsroom.open_as(Role.LEAD) as browser:
        yield browser


async def read_rows(reader: EditorBrowser, about: str, page: str = "/protokoll") -> list[tuple[str, str]]:
    """Return what was done, newest first, and what else is said, in the rows that lead to this path."""
    rows = [_CELL.findall(row) for row in _ROW.findall(await reader.read(page))]
    return [(cells[2], cells[4]) for cells in rows if f'href="{about}"' in cells[3]]


async def test_what_one_person_saves_of_one_draft_is_one_row_until_something_else_is_done_to_it(
    anna: WritingHarness, ben: WritingHarness, reader: EditorBrowser
) -> None:
    path = await anna.begin()
    for number in range(3):
        await anna.save(path, text=f"Bis Tag {number}.")
        await ben.begin()  # of another draft
    await ben.save(path, text="Bis morgen.")
    await anna.save(path, text="Bis übermorgen.")
    await anna.act(path, "einreichen")
    await anna.save(path, text="Bis Sonntag.")
    told = await read_rows(reader, path)
    assert [what for what, _ in told] == [
        "Entwurf gespeichert",
        "Entwurf zur Freigabe gegeben",
        "Entwurf gespeichert",
        "Entwurf gespeichert",
        "Entwurf gespeichert (4-mal)",
        "Entwurf begonnen",
    ]
    assert told[4][1].endswith(": 5"), "the newest of them"


async def test_an_act_leads_to_its_draft_or_broadcast_by_the_headline(
    anna: WritingHarness, reader: EditorBrowser
) -> None:
    path = await anna.begin(headline="K 2 <gesperrt>")
    broadcast = await add_broadcast(anna.owner, headline="K 3 gesperrt")
    acts = "insert into newsroom.audit (action, object) values ('broadcast.paused', $1), ('template.resumed', $2)"
    await anna.owner.execute(acts, str(broadcast), "notice/de")
    page = await reader.read("/protokoll")
    assert f'href="{path}">K 2 &lt;gesperrt&gt;</a>' in page
    assert f'href="/aussendungen/{broadcast}">K 3 gesperrt</a>' in page
    assert ">notice/de</td>" in page
    assert f"Entwurf: {path.split('/')[2]}" not in page


async def test_however_often_something_was_saved_what_was_done_before_is_found(
    anna: WritingHarness, reader: EditorBrowser
) -> None:
    path = await anna.begin()
    login = await anna.owner.fetchval(
        "select a.login from newsroom.account a join newsroom.draft d on d.created_by = a.id where d.id = $1",
        parse_draft_id(path),
    )
    await anna.owner.execute(_SAVE, login, path.split("/")[2], 2_500)
    found: list[str] = []
    page = "/protokoll"
    while page and "Entwurf begonnen" not in found:
        found += [what for what, _ in await read_rows(reader, path, page)]
        older = re.search(r'href="(/protokoll\?vor=\d+)"', await reader.read(page))
        page = older[1] if older else ""
    saved = [int(each) for what in found for each in re.findall(r"gespeichert \((\d+)-mal\)", what)]
    assert sum(saved) == 2_501
    assert found[-1] == "Entwurf begonnen"

"""A draft's trial: the page shows a code for the version that was read, and remembers nothing of it."""

import json
import re
from uuid import UUID

import asyncpg
import pytest

from services.newsroom.domain.accounts import Role
from services.newsroom.handlers.trials import MAX_TRIALS_PER_HOUR
from tests.harness.newsroom import EditorBrowser, NewsroomProcess, ShownPage
from tests.harness.writing_desk import WritingDesk

TRIAL = "select code, text, ends_at - now() from subscriptions.trial where draft = $1"


@pytest.fixture
async def desk(browser: EditorBrowser) -> WritingDesk:
    return WritingDesk(browser=browser)


def read_draft_id(path: str) -> UUID:
    return UUID(path.split("/")[2])


def read_code(shown: ShownPage) -> str:
    found = re.search(r"Test ([0-9]{4}) ([0-9]{4})</p>", shown.text)
    assert found, shown.text
    return found[1] + found[2]


async def read_acts(owner: asyncpg.Connection, draft: UUID) -> list[dict[str, str]]:
    acts = "select detail from newsroom.audit where action = 'draft.tried' and detail ->> 'draft' = $1 order by id"
    return [json.loads(row["detail"]) for row in await owner.fetch(acts, str(draft))]


async def test_the_code_is_for_the_version_that_was_read(newsroom: NewsroomProcess, desk: WritingDesk) -> None:
    path = await desk.begin(headline="K 9 gesperrt")
    draft = read_draft_id(path)
    assert "Auf dem eigenen Telefon testen" in (await desk.browser.open(f"{path}/pruefung")).text
    shown = await desk.act(path, "testen")
    code = read_code(shown)
    ((stored, text, left),) = await newsroom.owner.fetch(TRIAL, draft)
    assert (shown.status, stored, "*K 9 gesperrt*" in text) == (200, code, True)
    assert 590 < left.total_seconds() <= 600
    await desk.save(path, headline="K 10 gesperrt")
    assert read_code(await desk.act(path, "testen")) != code
    ((_, text, _),) = await newsroom.owner.fetch(TRIAL, draft)
    assert "*K 10 gesperrt*" in text
    assert await read_acts(newsroom.owner, draft) == [{"draft": str(draft), "version": each} for each in "23"]


async def test_no_code_for_another_version_for_errors_or_for_what_is_sent(
    newsroom: NewsroomProcess, desk: WritingDesk
) -> None:
    path = await desk.begin()
    assert (await desk.send(path, "testen", 1)).status == 409
    await desk.save(path, headline="")
    check = await desk.browser.open(f"{path}/pruefung")
    assert "Auf dem eigenen Telefon testen" not in check.text
    assert (await desk.send(path, "testen", 3)).status == 422
    await desk.save(path)
    await newsroom.owner.execute("update newsroom.draft set state = 'published' where id = $1", read_draft_id(path))
    assert (await desk.send(path, "testen", 4)).status == 422
    assert await newsroom.owner.fetch(TRIAL, read_draft_id(path)) == []


async def test_nobody_makes_codes_without_end(newsroom: NewsroomProcess, desk: WritingDesk) -> None:
    path = await desk.begin()
    for _ in range(MAX_TRIALS_PER_HOUR):
        assert (await desk.send(path, "testen", 2)).status == 200
    refused = await desk.send(path, "testen", 2)
    assert (refused.status, "in einer Stunde" in refused.text) == (422, True)
    async with newsroom.open_browser(await newsroom.add_member(Role.EDITOR)) as other:
        assert (await WritingDesk(browser=other).send(path, "testen", 2)).status == 200

"""While the database is away, what was written comes back, and no page looks as if it still counted."""

import asyncio
from pathlib import Path

from services.newsroom.domain.accounts import Role
from tests.databases import FreshDatabase
from tests.harness.newsroom import run_newsroom
from tests.harness.writing import WritingHarness, build_fields
from tests.servers import WAIT_TIMEOUT_SECONDS, Servers, run_as_superuser

_END = "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}' and usename = 'kreisfunk_newsroom'"
WORDS = "Die Brücke ist bis Freitag gesperrt."


async def test_what_was_written_is_shown_to_whoever_wrote_it(
    newsroom_broker: str, database: FreshDatabase, servers: Servers, tmp_path: Path
) -> None:
    """Without a script that keeps the page; and it does so only for forms of drafts."""
    async with (
        run_newsroom(newsroom_broker, database, tmp_path) as newsroom,
        newsroom.open_as(Role.EDITOR) as browser,
    ):
        path = await WritingHarness(browser=browser).begin()
        csrf = (await browser.open(path)).csrf
        forms: dict[str, dict[str, object]] = {path: build_fields(text=WORDS), f"{path}/notfall": {"reason": WORDS}}
        refuse = f"alter database {database.name} allow_connections false"
        await run_as_superuser(servers, refuse, _END.format(database.name))
        for form, fields in forms.items():
            answer = await browser.send(form, {**fields, "version": 2}, csrf=csrf)
            assert (answer.status, WORDS in answer.text) == (503, True), form
            forged = await browser.send(form, {**fields, "version": 2}, csrf=csrf, site="cross-site")
            assert (forged.status, WORDS in forged.text) == (403, False), form
        without_words = await browser.send("/profil/sitzungen", csrf=csrf)
        assert (without_words.status, "Die Datenbank antwortet nicht." in without_words.text) == (503, True)
        await run_as_superuser(servers, f"alter database {database.name} allow_connections true")


async def test_a_stream_ends_so_that_the_page_says_that_its_numbers_stand_still(
    newsroom_broker: str, database: FreshDatabase, servers: Servers, tmp_path: Path
) -> None:
    stream = "/aussendungen/strom"
    async with (
        run_newsroom(newsroom_broker, database, tmp_path) as newsroom,
        newsroom.open_as(Role.EDITOR) as browser,
        browser.session.get(newsroom.url + stream) as response,
        asyncio.timeout(WAIT_TIMEOUT_SECONDS),
    ):
        await response.content.readuntil(b"\n\n")
        refuse = f"alter database {database.name} allow_connections false"
        await run_as_superuser(servers, refuse, _END.format(database.name))
        assert b"event: end" not in await response.content.read(), "the browser would not reconnect"
        assert (await browser.open(stream)).status == 503
        await run_as_superuser(servers, f"alter database {database.name} allow_connections true")

"""More logins at once than can be checked soon: strangers are refused, so that those who are known get in."""

import asyncio

from services.newsroom.handlers.login import MAX_STRANGERS
from tests.harness.newsroom import EditorBrowser, Member, NewsroomProcess, ShownPage, log_in


async def crowd(newsroom: NewsroomProcess) -> list[ShownPage]:
    """Many browsers at once, each with another name, and none with a password."""
    async with newsroom.open_browser() as opened:
        return await asyncio.gather(*(log_in(opened, f"crowd-{number}") for number in range(3 * MAX_STRANGERS)))


async def test_strangers_beyond_the_limit_are_refused_at_once_until_the_crowd_is_gone_and_a_known_browser_never(
    newsroom: NewsroomProcess, member: Member, stranger: EditorBrowser
) -> None:
    login = member.account.login
    await log_in(stranger, login, code=member.next_code())
    await stranger.send("/abmelden", csrf=(await stranger.open("/profil")).csrf)
    found, known = await asyncio.gather(crowd(newsroom), log_in(stranger, login, code=member.next_code()))
    assert known.status == 303
    refused = {f"crowd-{number}": page for number, page in enumerate(found) if page.status == 503}
    assert refused
    for page in refused.values():
        assert "Gerade melden sich sehr viele an" in page.text
        assert page.headers["Retry-After"] == "60"
    assert not set(refused) & {key for _, key in await newsroom.read_failures()}, "nothing was tried"

    await newsroom.owner.execute("delete from newsroom.login_failure")
    async with newsroom.open_browser() as another:
        gone = await log_in(another, login, code=member.next_code())
    assert gone.status == 303, "when the crowd is gone a stranger gets in"

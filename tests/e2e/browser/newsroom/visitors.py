"""Colleagues at their browsers who have logged in, without the steps of doing so."""

from urllib.parse import urlsplit
from uuid import uuid4

from playwright.async_api import BrowserContext, Page, expect

from services.newsroom.domain.accounts import Account
from tests.e2e.browser.newsroom.inspection import DESKTOP, Inspector, Scheme
from tests.harness.newsroom import ALL_ROLES, COOKIE, NewsroomProcess, insert_account


async def create_session(newsroom: NewsroomProcess, name: str, stage: str = "open") -> str:
    """A new account of this name with every role, and the cookie of its session."""
    account = Account(id=uuid4(), login=f"a{uuid4().hex[:20]}", name=name, person=uuid4(), roles=ALL_ROLES)
    await insert_account(newsroom.owner, account)
    return await newsroom.begin_session(account.id, stage)


async def renew_session(newsroom: NewsroomProcess) -> str:
    """The cookie of another session of whoever has logged in last."""
    last = "select account from newsroom.session order by created_at desc limit 1"
    return await newsroom.begin_session(await newsroom.owner.fetchval(last))


async def add_cookie(context: BrowserContext, url: str, token: str) -> None:
    parts = urlsplit(url)
    await context.add_cookies(
        [{"name": COOKIE, "value": token, "url": f"{parts.scheme}://{parts.netloc}", "httpOnly": True}]
    )


async def open_as_colleague(
    inspector: Inspector,
    newsroom: NewsroomProcess,
    size: tuple[int, int] = DESKTOP,
    scheme: Scheme = "light",
    *,
    path: str = "",
    script: bool = True,
) -> Page:
    """A page of the newsroom, where somebody new with every role has logged in."""
    context = await inspector.open_context(size, scheme=scheme, script=script)
    await add_cookie(context, newsroom.url, await create_session(newsroom, "Redaktion"))
    return await inspector.open(context, newsroom.url + path)


async def begin_writing(
    inspector: Inspector,
    newsroom: NewsroomProcess,
    size: tuple[int, int] = DESKTOP,
    scheme: Scheme = "light",
    *,
    script: bool = True,
) -> Page:
    """The editor of a new notice."""
    page = await open_as_colleague(inspector, newsroom, size, scheme, script=script)
    await page.get_by_role("button", name="Neue Meldung schreiben").press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Meldung schreiben")
    return page

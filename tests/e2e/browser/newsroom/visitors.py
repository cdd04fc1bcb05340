"""Colleagues at their browsers who have logged in, without the steps of doing so."""

import secrets
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
from playwright.async_api import BrowserContext, Page, expect

from services.newsroom.domain.login import hash_cookie
from tests.e2e.browser.newsroom.inspection import DESKTOP, Inspector, Scheme
from tests.harness.newsroom import NewsroomProcess

COOKIE = "kreisfunk-session"
ALL_ROLES = ("editor", "approver", "operator", "lead")
_ACCOUNT = "insert into newsroom.account (id, login, name, person, roles) values ($1, $2, $3, $4, $5)"
_SESSION = "insert into newsroom.session (token_hash, account, csrf, stage) values ($1, $2, $3, $4)"


async def create_session(database: asyncpg.Connection, name: str, stage: str = "open") -> str:
    """A new account of this name with all roles, and the cookie of its session."""
    account, token = uuid4(), secrets.token_urlsafe(32)
    await database.execute(_ACCOUNT, account, f"a{account.hex[:20]}", name, uuid4(), list(ALL_ROLES))
    await database.execute(_SESSION, hash_cookie(token), account, secrets.token_urlsafe(16), stage)
    return token


async def renew_session(database: asyncpg.Connection) -> str:
    """The cookie of another session of the only account."""
    token = secrets.token_urlsafe(32)
    account = await database.fetchval("select id from newsroom.account")
    await database.execute(_SESSION, hash_cookie(token), account, secrets.token_urlsafe(16), "open")
    return token


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
    await add_cookie(context, newsroom.url, await create_session(newsroom.owner, "Redaktion"))
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

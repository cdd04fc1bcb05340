"""Logins over the scripted provider, step by step, and accounts that are connected with it."""

from typing import Any
from uuid import uuid4

from services.newsroom.domain.accounts import Account, Role
from tests.harness.newsroom import EditorBrowser, NewsroomProcess, ShownPage, insert_account
from tests.harness.scripted_provider import ScriptedProvider

START, CONNECT = "/anmelden/extern", "/einrichten/extern"
COOKIE = "kreisfunk-provider"


async def add_connected(newsroom: NewsroomProcess, issuer: str) -> Account:
    """Somebody whose account is connected; their subject is their login."""
    login = f"x-{uuid4().hex[:10]}"
    account = Account(
        id=uuid4(),
        login=login,
        name=f"Xenia {login}",
        person=uuid4(),
        roles=frozenset({Role.EDITOR}),
        is_external=True,
    )
    await insert_account(newsroom.owner, account, issuer=issuer, subject=login)
    return account


async def begin(browser: EditorBrowser, path: str = START) -> str:
    """The address to which the browser is sent."""
    sent = await browser.open(path)
    assert sent.status == 303, sent.text
    return sent.location


async def log_in_over(
    browser: EditorBrowser, provider: ScriptedProvider, subject: str, path: str = START, **claims: Any
) -> ShownPage:
    return await browser.open(provider.let_in(await begin(browser, path), subject, **claims))


def has_session(page: ShownPage) -> bool:
    return any(cookie.startswith("kreisfunk-session=") for cookie in page.cookies)

"""One newsroom for the tests of a module, and people who work there."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.newsroom.domain.accounts import Role
from tests.databases import FreshDatabase
from tests.harness.ledger_rows import set_up_number
from tests.harness.newsroom import (
    ALL_ROLES,
    EditorBrowser,
    Member,
    NewsroomProcess,
    run_newsroom,
)
from tests.harness.service_login import service_login
from tests.harness.writing import WritingHarness
from tests.integration.newsroom.login_store import Logins, open_logins
from tests.integration.newsroom.writing_store import Store, open_store
from tests.servers import Servers


@pytest.fixture(scope="module")
async def newsroom_broker(servers: Servers, vhost: str) -> AsyncIterator[str]:
    """The URL of the newsroom's login, on a vhost where everything is declared."""
    async with service_login(servers, vhost, "newsroom") as url:
        yield url


@pytest.fixture(scope="module")
async def newsroom(
    newsroom_broker: str, module_database: FreshDatabase, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[NewsroomProcess]:
    async with run_newsroom(newsroom_broker, module_database, tmp_path_factory.mktemp("newsroom")) as running:
        yield running


@pytest.fixture
async def member(newsroom: NewsroomProcess) -> Member:
    """Somebody with all roles."""
    return await newsroom.add_member(*ALL_ROLES)


@pytest.fixture
async def browser(newsroom: NewsroomProcess, member: Member) -> AsyncIterator[EditorBrowser]:
    """Browser in which the member has logged in."""
    async with newsroom.open_browser(member) as opened:
        yield opened


@pytest.fixture
async def stranger(newsroom: NewsroomProcess) -> AsyncIterator[EditorBrowser]:
    """Browser in which nobody has logged in."""
    async with newsroom.open_browser() as opened:
        yield opened


@pytest.fixture
async def colleague(newsroom: NewsroomProcess) -> Member:
    """Another person, who may manage accounts."""
    return await newsroom.add_member(Role.LEAD)


@pytest.fixture
async def operator(newsroom: NewsroomProcess) -> AsyncIterator[EditorBrowser]:
    """Somebody who operates, where there is a number from which is sent."""
    await set_up_number(newsroom.owner)
    async with newsroom.open_as(Role.OPERATOR) as browser:
        yield browser


def _define_writer(*roles: Role) -> Any:
    """Somebody with these roles, at the pages of drafts."""

    @pytest.fixture
    async def writer(newsroom: NewsroomProcess) -> AsyncIterator[WritingHarness]:
        async with newsroom.open_as(*roles) as browser:
            yield WritingHarness(browser=browser)

    return writer


# Both write, and may approve what others have written.
anna, ben = _define_writer(Role.EDITOR, Role.APPROVER), _define_writer(Role.EDITOR, Role.APPROVER)
approver, lead = _define_writer(Role.APPROVER), _define_writer(Role.LEAD)


@pytest.fixture
async def store(database: FreshDatabase) -> AsyncIterator[Store]:
    """The newsroom without its pages."""
    async with open_store(database) as opened:
        yield opened


@pytest.fixture
async def logins(module_database: FreshDatabase) -> AsyncIterator[Logins]:
    """Logins without pages, and one account."""
    async with open_logins(module_database) as opened:
        yield opened


@pytest.fixture
async def no_failures(newsroom: NewsroomProcess) -> None:
    """All tests come from one address."""
    await newsroom.owner.execute("delete from newsroom.login_failure")

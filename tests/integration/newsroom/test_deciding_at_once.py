"""Two people decide about accounts at the same moment, in two processes: both get an answer, and at once."""

import asyncio
from uuid import UUID

import pytest

from services.newsroom.domain.accounts import Account, AccountProblem
from tests.databases import wait_until_locked
from tests.integration.newsroom.login_store import Logins


@pytest.fixture
async def people(logins: Logins) -> dict[str, Account]:
    """Some who manage accounts, by a letter."""
    return {name: await logins.add_operator() for name in "abcd"}


async def request(logins: Logins, requester: Account, subject: Account) -> UUID:
    """Request that the subject may write, too."""
    await logins.administration.request_roles(requester, subject.login, ["operator", "editor"])
    return await logins.find_request(subject.login)


async def confirm_at_once(logins: Logins, *decisions: tuple[Account, UUID]) -> list[object]:
    """Confirm all requests, each as late as can be before it is decided; return what became of each."""
    async with logins.owner.transaction():
        await logins.owner.execute("select from newsroom.account_request for update")
        tasks = [asyncio.create_task(logins.administration.confirm(*decision)) for decision in decisions]
        await wait_until_locked(logins.owner, len(tasks))
    return list(await asyncio.gather(*tasks, return_exceptions=True))


async def read_roles(logins: Logins, account: Account) -> list[str]:
    found = await logins.accounts.find_account(account.login)
    return sorted(found.roles) if found else []


async def test_of_two_who_confirm_the_same_one_reads_that_it_is_decided(
    logins: Logins, people: dict[str, Account]
) -> None:
    wish = await request(logins, people["a"], people["a"])
    results = await confirm_at_once(logins, (people["b"], wish), (people["c"], wish))
    assert results.count(None) == 1
    (refused,) = filter(None, results)
    assert isinstance(refused, AccountProblem)
    assert await read_roles(logins, people["a"]) == ["editor", "operator"]


@pytest.mark.parametrize(("first", "second"), [("aab", "bba"), ("acb", "cad")])
async def test_whoever_decides_may_be_affected_by_what_is_decided_meanwhile(
    logins: Logins, people: dict[str, Account], first: str, second: str
) -> None:
    """Letters: who asks, for whom, and who confirms."""
    decisions = [(people[each[2]], await request(logins, people[each[0]], people[each[1]])) for each in (first, second)]
    assert await confirm_at_once(logins, *decisions) == [None, None]
    for each in (first, second):
        assert await read_roles(logins, people[each[1]]) == ["editor", "operator"]

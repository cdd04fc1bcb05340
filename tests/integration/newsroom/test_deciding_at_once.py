"""Two people decide about accounts at the same moment, in two processes: both get an answer, and at once."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.newsroom.adapters.accounts import PostgresAccountRepository
from services.newsroom.adapters.credentials import Argon2PasswordHasher
from services.newsroom.adapters.sessions import PostgresSessionRepository
from services.newsroom.domain.accounts import Account, AccountProblem, Role
from services.newsroom.handlers.account_admin import AccountAdministration
from shared.encryption import KeyRing
from shared.runtime.clock import system_clock
from tests.databases import FreshDatabase, wait_until_locked
from tests.harness.newsroom import KEYS, insert_account
from tests.integration.newsroom.test_login_in_flight import LIMITS


@dataclass(frozen=True, kw_only=True)
class Office:
    """Some who manage accounts, by a letter, and what they do."""

    administration: AccountAdministration
    owner: asyncpg.Connection
    people: dict[str, Account]

    async def request(self, requester: str, subject: str) -> UUID:
        """Request that the subject may write, too."""
        login = self.people[subject].login
        await self.administration.request_roles(self.people[requester], login, ["lead", "editor"])
        found = await self.administration.accounts.list_open_requests()
        return next(each.id for each in found if each.login == login)

    async def confirm_at_once(self, *decisions: tuple[str, UUID]) -> list[object]:
        """Confirm all requests, each as late as can be before it is decided; return what became of each."""
        async with self.owner.transaction():
            await self.owner.execute("select from newsroom.account_request for update")
            confirm = self.administration.confirm
            tasks = [asyncio.create_task(confirm(self.people[name], request)) for name, request in decisions]
            await wait_until_locked(self.owner, len(tasks))
        return list(await asyncio.gather(*tasks, return_exceptions=True))

    async def read_roles(self, name: str) -> list[str]:
        found: list[str] = await self.owner.fetchval(
            "select roles from newsroom.account where id = $1", self.people[name].id
        )
        return found


@pytest.fixture
async def office(database: FreshDatabase) -> AsyncIterator[Office]:
    owner = await asyncpg.connect(database.url)
    people = {}
    for name in "abcd":
        account = Account(
            id=uuid4(), login=f"{name}-{secrets.token_hex(4)}", name=name, person=uuid4(), roles=frozenset({Role.LEAD})
        )
        await insert_account(owner, account)
        people[name] = account
    async with database.open_pool("kreisfunk_newsroom", size=5) as pool:
        administration = AccountAdministration(
            accounts=PostgresAccountRepository(pool),
            sessions=PostgresSessionRepository(pool, LIMITS),
            hasher=Argon2PasswordHasher(),
            ring=KeyRing.parse(KEYS),
            clock=system_clock,
        )
        yield Office(administration=administration, owner=owner, people=people)
    await owner.close()


async def test_of_two_who_confirm_the_same_one_reads_that_it_is_decided(office: Office) -> None:
    request = await office.request("a", "a")
    results = await office.confirm_at_once(("b", request), ("c", request))
    assert results.count(None) == 1
    (refused,) = filter(None, results)
    assert isinstance(refused, AccountProblem)
    assert await office.read_roles("a") == ["editor", "lead"]


@pytest.mark.parametrize(("first", "second"), [("aab", "bba"), ("acb", "cad")])
async def test_whoever_decides_may_be_affected_by_what_is_decided_meanwhile(
    office: Office, first: str, second: str
) -> None:
    """Letters: who asks, for whom, and who confirms."""
    requests = [(each[2], await office.request(each[0], each[1])) for each in (first, second)]
    assert await office.confirm_at_once(*requests) == [None, None]
    for each in (first, second):
        assert await office.read_roles(each[1]) == ["editor", "lead"]

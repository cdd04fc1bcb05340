"""Work of the commands on accounts: the same statements as the newsroom's own, with the command line as the actor."""

import secrets
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from cli.settings import AccountSettings
from services.newsroom.adapters.accounts import PostgresAccountRepository
from services.newsroom.adapters.credentials import Argon2PasswordHasher
from services.newsroom.domain.accounts import Account, AccountProblem, Role
from services.newsroom.domain.audit import Act
from services.newsroom.domain.login import FIRST_PASSWORD_LIFETIME, Credentials
from shared.database.pool import open_database
from shared.runtime.clock import system_clock

PASSWORD_BYTES = 12
# A stack to try out needs two people, since nobody approves what they wrote themselves.
FIRST_ACCOUNTS = (
    ("redaktion", "Redaktion", (Role.EDITOR, Role.OPERATOR)),
    ("freigabe", "Freigabe", (Role.APPROVER, Role.LEAD)),
)


@dataclass(frozen=True)
class FirstPassword:
    """Password for the first login of an account."""

    login: str
    password: str
    ends_at: datetime


async def list_accounts(settings: AccountSettings) -> Sequence[Account]:
    """Return all accounts. Raises DatabaseUnavailable."""
    async with _open_accounts(settings) as accounts:
        return await accounts.list_accounts()


async def add_account(
    settings: AccountSettings, login: str, name: str, roles: Collection[Role], same_person: str | None
) -> FirstPassword:
    """Create an account. Raises AccountProblem and DatabaseUnavailable."""
    async with _open_accounts(settings) as accounts:
        person = (await _get_account(accounts, same_person)).person if same_person else uuid4()
        return await _create(accounts, login, name, roles, person)


async def add_first_accounts(settings: AccountSettings) -> list[FirstPassword]:
    """Create an account for each of two people unless there are accounts. Raises DatabaseUnavailable."""
    async with _open_accounts(settings) as accounts:
        if await accounts.list_accounts():
            return []
        return [await _create(accounts, login, name, roles, uuid4()) for login, name, roles in FIRST_ACCOUNTS]


async def disable_account(settings: AccountSettings, login: str) -> None:
    """Disable an account and end its sessions. Raises AccountProblem and DatabaseUnavailable."""
    async with _open_accounts(settings) as accounts:
        account = await _get_account(accounts, login)
        act = Act(account=None, action="account.disabled", object=account.login)
        await accounts.disable(account.id, system_clock(), act)


async def reset_account(settings: AccountSettings, login: str) -> FirstPassword:
    """Give an account a first password, without its one-time codes. Raises AccountProblem and DatabaseUnavailable."""
    async with _open_accounts(settings) as accounts:
        account = await _get_account(accounts, login)
        new, first = await _prepare_password(account)
        await accounts.reset(new, system_clock(), Act(account=None, action="account.reset", object=account.login))
    return first


@asynccontextmanager
async def _open_accounts(settings: AccountSettings) -> AsyncIterator[PostgresAccountRepository]:
    async with open_database(
        settings.database_url, password=settings.database_secret, name="newsroom users", size=1
    ) as database:
        yield PostgresAccountRepository(database)


async def _get_account(accounts: PostgresAccountRepository, login: str) -> Account:
    account = await accounts.find_account(login)
    if account is None:
        raise AccountProblem(f"There is no account {login}.")
    return account


async def _create(
    accounts: PostgresAccountRepository, login: str, name: str, roles: Collection[Role], person: UUID
) -> FirstPassword:
    account = Account(id=uuid4(), login=login, name=name, person=person, roles=frozenset(roles))
    new, first = await _prepare_password(account)
    detail = {"roles": ", ".join(sorted(roles))}
    if not await accounts.create_account(new, Act(account=None, action="account.created", object=login, detail=detail)):
        raise AccountProblem(f"There is an account {login} already.")
    return first


async def _prepare_password(account: Account) -> tuple[Credentials, FirstPassword]:
    password, ends_at = secrets.token_urlsafe(PASSWORD_BYTES), system_clock() + FIRST_PASSWORD_LIFETIME
    hashed = await Argon2PasswordHasher().hash(password)
    new = Credentials(account=account, password_hash=hashed, password_ends_at=ends_at)
    return new, FirstPassword(account.login, password, ends_at)

"""`kreisfunk newsroom`: accounts, changed by the newsroom's own statements with the command line as the actor."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar
from uuid import UUID, uuid4

import typer

from cli.database import explain_errors
from cli.options import DatabaseStack, Json
from cli.output import Exit, fail, format_list, format_time, note, print_result
from cli.settings import AccountSettings, read_installation_settings
from cli.stacks import DATABASE_URL
from services.newsroom.adapters.accounts import PostgresAccountRepository
from services.newsroom.adapters.credentials import Argon2PasswordHasher
from services.newsroom.domain.accounts import MAX_NAME_LENGTH, Account, AccountProblem, Role, parse_login, parse_name
from services.newsroom.domain.audit import Act
from services.newsroom.domain.login import FIRST_PASSWORD_LIFETIME, Credentials
from shared.database.pool import open_database
from shared.outcome import DependencyUnavailable, InvalidDataError
from shared.runtime.clock import system_clock

PASSWORD_BYTES = 12
# A trial stack needs two people, since nobody may approve their own notices.
FIRST_ACCOUNTS = (
    ("redaktion", "Redaktion", (Role.EDITOR, Role.OPERATOR)),
    ("freigabe", "Freigabe", (Role.APPROVER, Role.LEAD)),
)
T = TypeVar("T")


def _validate_login(text: str | None) -> str | None:
    try:
        return text if text is None else parse_login(text)
    except AccountProblem:
        expected = "2 to 40 characters: a to z, digits, dots and dashes, beginning with a letter or digit"
        raise typer.BadParameter(f"a login has {expected}") from None


def _validate_name(text: str) -> str:
    try:
        return parse_name(text)
    except AccountProblem:
        raise typer.BadParameter(f"a name has 1 to {MAX_NAME_LENGTH} printable characters") from None


Login = Annotated[str, typer.Argument(help="Name to log in with, such as redaktion-1.", callback=_validate_login)]

app = typer.Typer(no_args_is_help=True)
users = typer.Typer(help="Accounts of the newsroom; changes take effect at once.", no_args_is_help=True)
app.add_typer(users, name="users")


@dataclass(frozen=True)
class FirstPassword:
    login: str
    password: str
    ends_at: datetime


@users.command()
def add(
    login: Login,
    name: Annotated[str, typer.Option(help="Name of the person, as shown to colleagues.", callback=_validate_name)],
    role: Annotated[list[Role], typer.Option(help="Role of the account; may be repeated.")],
    same_person: Annotated[
        str | None,
        typer.Option(
            help="Login of another account of the same person, who may not approve for both.",
            callback=_validate_login,
        ),
    ] = None,
    json: Json = False,
    stack: DatabaseStack = None,
) -> None:
    """Create an account and print its first password. It is shown only this once, and its owner replaces it.

    Exit status: 0, 2 wrong command line, 3 refused, 4 database unavailable.
    """
    _print_password(_run(stack, lambda settings: add_account(settings, login, name, role, same_person)), json=json)


@users.command("list")
def list_users(json: Json = False, stack: DatabaseStack = None) -> None:
    """List all accounts.

    Exit status: 0, 2 wrong command line, 4 database unavailable.
    """
    accounts = _run(stack, _list_accounts)
    rows = [
        (account.login, account.name, ", ".join(sorted(account.roles)), "disabled" if account.is_disabled else "active")
        for account in accounts
    ]
    text = format_list(("login", "name", "roles", "state"), rows, empty="there are no accounts")
    print_result({"users": list(map(_describe_account, accounts))}, text, json=json)


@users.command()
def disable(login: Login, json: Json = False, stack: DatabaseStack = None) -> None:
    """Disable an account and end its sessions, with immediate effect. Nothing that it did is lost.

    Exit status: 0, 2 wrong command line, 3 there is no such account, 4 database unavailable.
    """
    _run(stack, lambda settings: _disable_account(settings, login))
    print_result({"disabled": login}, f"disabled {login}", json=json)


@users.command()
def reset(login: Login, json: Json = False, stack: DatabaseStack = None) -> None:
    """Print a new first password, and forget telephone, recovery codes and sessions.

    A disabled account may log in again.

    Exit status: 0, 2 wrong command line, 3 there is no such account, 4 database unavailable.
    """
    _print_password(_run(stack, lambda settings: reset_account(settings, login)), json=json)


def _run(stack: Path | None, act: Callable[[AccountSettings], Coroutine[Any, Any, T]]) -> T:
    """Return the result; ends the command if the request is refused or the database unavailable."""
    settings = read_installation_settings(AccountSettings, stack, DATABASE_URL, lambda local: local.users)
    try:
        with explain_errors("the role kreisfunk_newsroom"):
            return asyncio.run(act(settings))
    except AccountProblem as problem:
        fail(str(problem), "Nothing was changed.", Exit.REJECTED)
    except (DependencyUnavailable, InvalidDataError) as error:
        fail(str(error), "Is PostgreSQL up, and is `kreisfunk migrate` done?", Exit.UNAVAILABLE)


def _describe_account(account: Account) -> dict[str, object]:
    described = {"login": account.login, "name": account.name, "roles": sorted(account.roles)}
    return {**described, "person": str(account.person), "disabled": account.is_disabled}


def _print_password(first: FirstPassword, *, json: bool) -> None:
    print_result(first, first.password, json=json)
    if not json:
        advice = f"It is shown only now, and valid until {format_time(first.ends_at)}: hand it over confidentially."
        note(f"First password of {first.login}. {advice}")


async def _list_accounts(settings: AccountSettings) -> Sequence[Account]:
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


async def _disable_account(settings: AccountSettings, login: str) -> None:
    async with _open_accounts(settings) as accounts:
        account = await _get_account(accounts, login)
        act = Act(account=None, action="account.disabled", object=account.login)
        await accounts.disable(account.id, system_clock(), act)


async def reset_account(settings: AccountSettings, login: str) -> FirstPassword:
    """Give an account a first password, without its one-time codes. Raises AccountProblem and DatabaseUnavailable."""
    async with _open_accounts(settings) as accounts:
        new, first = await _prepare_password(await _get_account(accounts, login))
        await accounts.reset(new, system_clock(), Act(account=None, action="account.reset", object=first.login))
    return first


@asynccontextmanager
async def _open_accounts(settings: AccountSettings) -> AsyncIterator[PostgresAccountRepository]:
    url, password = settings.database_url, settings.database_secret
    async with open_database(url, password=password, name="newsroom users", size=1) as database:
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

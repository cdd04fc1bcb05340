"""Actions of `kreisfunk newsroom users`."""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from cli.newsroom import accounts
from cli.newsroom.accounts import FirstPassword
from cli.newsroom.settings import read_newsroom_settings
from cli.operate.tables import format_table, format_time
from cli.output import EXIT_REJECTED, EXIT_UNAVAILABLE, console, fail, say
from services.newsroom.domain.accounts import Account, AccountProblem, Role
from shared.outcome import DependencyUnavailable, InvalidDataError

T = TypeVar("T")


def add_user(
    stack: Path | None, login: str, *, name: str, roles: Sequence[Role], same_person: str | None, json: bool
) -> None:
    """Create an account and print its first password; ends the command on an error."""
    settings = read_newsroom_settings(stack)
    _say_password(_run(accounts.add_account(settings, login, name, roles, same_person)), json=json)


def list_users(stack: Path | None, *, json: bool) -> None:
    """Print all accounts; ends the command on an error."""
    found = _run(accounts.list_accounts(read_newsroom_settings(stack)))
    if json:
        say(msgspec.json.encode({"users": [_describe_account(account) for account in found]}).decode())
        return
    rows = [
        (each.login, each.name, ", ".join(sorted(each.roles)), "disabled" if each.is_disabled else "active")
        for each in found
    ]
    say(format_table(("login", "name", "roles", "state"), rows) if rows else "there are no accounts")


def disable_user(stack: Path | None, login: str, *, json: bool) -> None:
    """Disable an account; ends the command on an error."""
    _run(accounts.disable_account(read_newsroom_settings(stack), login))
    say(msgspec.json.encode({"disabled": login}).decode() if json else f"disabled {login}")


def reset_user(stack: Path | None, login: str, *, json: bool) -> None:
    """Print a new first password of an account; ends the command on an error."""
    _say_password(_run(accounts.reset_account(read_newsroom_settings(stack), login)), json=json)


def _run(action: Coroutine[Any, Any, T]) -> T:
    """Return the result; ends the command if the request is refused or the database is unavailable."""
    try:
        return asyncio.run(action)
    except AccountProblem as problem:
        fail(str(problem), "Nothing was changed.", EXIT_REJECTED)
    except (DependencyUnavailable, InvalidDataError) as error:
        fail(str(error), "Is PostgreSQL up, and is `kreisfunk migrate` done?", EXIT_UNAVAILABLE)


def _say_password(first: FirstPassword, *, json: bool) -> None:
    if json:
        say(msgspec.json.encode(first).decode())
        return
    say(first.password)
    console.print(
        f"First password of {first.login}. It is shown this once, and valid until {format_time(first.ends_at)}: hand it"
        " over in confidence.",
        markup=False,
    )


def _describe_account(account: Account) -> dict[str, object]:
    return {
        "login": account.login,
        "name": account.name,
        "roles": sorted(account.roles),
        "person": str(account.person),
        "disabled": account.is_disabled,
    }

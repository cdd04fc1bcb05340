"""`kreisfunk newsroom`: accounts of the newsroom, at the server."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from cli.options import DatabaseStack, Json
from cli.output import Exit, fail, format_table, format_time, note, print_result
from services.newsroom.domain.accounts import MAX_NAME_LENGTH, Account, AccountProblem, Role, parse_login, parse_name

if TYPE_CHECKING:
    from cli.newsroom.accounts import FirstPassword
    from cli.settings import AccountSettings

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
users = typer.Typer(help="Accounts of the newsroom; each change counts at once.", no_args_is_help=True)
app.add_typer(users, name="users")


@users.command()
def add(
    login: Login,
    name: Annotated[str, typer.Option(help="Name of the person, as colleagues read it.", callback=_validate_name)],
    role: Annotated[list[Role], typer.Option(help="What the account may do; may be repeated.")],
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
    from cli.newsroom.accounts import add_account

    _print_password(_run(stack, lambda settings: add_account(settings, login, name, role, same_person)), json=json)


@users.command("list")
def list_users(json: Json = False, stack: DatabaseStack = None) -> None:
    """List all accounts.

    Exit status: 0, 2 wrong command line, 4 database unavailable.
    """
    from cli.newsroom.accounts import list_accounts

    accounts = _run(stack, list_accounts)
    rows = [
        (one.login, one.name, ", ".join(sorted(one.roles)), "disabled" if one.is_disabled else "active")
        for one in accounts
    ]
    text = format_table(("login", "name", "roles", "state"), rows) if rows else "there are no accounts"
    print_result({"users": list(map(_describe_account, accounts))}, text, json=json)


@users.command()
def disable(login: Login, json: Json = False, stack: DatabaseStack = None) -> None:
    """Disable an account and end its sessions, with immediate effect. Nothing that it did is lost.

    Exit status: 0, 2 wrong command line, 3 there is no such account, 4 database unavailable.
    """
    from cli.newsroom.accounts import disable_account

    _run(stack, lambda settings: disable_account(settings, login))
    print_result({"disabled": login}, f"disabled {login}", json=json)


@users.command()
def reset(login: Login, json: Json = False, stack: DatabaseStack = None) -> None:
    """Print a new first password, and forget telephone, recovery codes and sessions.

    A disabled account may log in again.

    Exit status: 0, 2 wrong command line, 3 there is no such account, 4 database unavailable.
    """
    from cli.newsroom.accounts import reset_account

    _print_password(_run(stack, lambda settings: reset_account(settings, login)), json=json)


def _run(stack: Path | None, act: "Callable[[AccountSettings], Coroutine[Any, Any, T]]") -> T:
    """Return the result; ends the command if the request is refused or the database is unavailable."""
    from cli.database import explain_errors
    from cli.settings import AccountSettings, read_installation_settings
    from cli.stacks import DATABASE_URL
    from shared.outcome import DependencyUnavailable, InvalidDataError

    settings = read_installation_settings(AccountSettings, stack, DATABASE_URL, lambda one: one.addresses.users)

    try:
        with explain_errors("the role kreisfunk_newsroom"):
            return asyncio.run(act(settings))
    except AccountProblem as problem:
        fail(str(problem), "Nothing was changed.", Exit.REJECTED)
    except (DependencyUnavailable, InvalidDataError) as error:
        fail(str(error), "Is PostgreSQL up, and is `kreisfunk migrate` done?", Exit.UNAVAILABLE)


def _describe_account(account: Account) -> dict[str, object]:
    return {
        "login": account.login,
        "name": account.name,
        "roles": sorted(account.roles),
        "person": str(account.person),
        "disabled": account.is_disabled,
    }


def _print_password(first: "FirstPassword", *, json: bool) -> None:
    print_result(first, first.password, json=json)
    if not json:
        until = format_time(first.ends_at)
        note(
            f"First password of {first.login}. It is shown this once, and valid until {until}: hand it over in"
            " confidence."
        )

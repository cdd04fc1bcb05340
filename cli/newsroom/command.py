"""The `kreisfunk newsroom users` commands."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import Json
from services.newsroom.domain.accounts import Role

Stack = Annotated[
    Path | None,
    typer.Option(help="Folder of a local stack; else KREISFUNK_DATABASE_URL, else .local/up or .local/demo."),
]
Login = Annotated[str, typer.Argument(help="Name to log in with, such as redaktion-1.")]

app = typer.Typer(help="The newsroom: who may write and approve notices there.", no_args_is_help=True)
users = typer.Typer(help="Accounts of the newsroom; each change counts at once.", no_args_is_help=True)
app.add_typer(users, name="users")


@users.command()
def add(
    login: Login,
    name: Annotated[str, typer.Option(help="Name of the person, as colleagues read it.")],
    role: Annotated[list[Role], typer.Option(help="What the account may do; may be repeated.")],
    same_person: Annotated[
        str | None, typer.Option(help="Login of another account of the same person, who may not approve for both.")
    ] = None,
    json: Json = False,
    stack: Stack = None,
) -> None:
    """Create an account and print its first password. It is shown only this once, and its owner replaces it.

    Exit status: 0, 2 wrong command line, 3 refused, 4 database unavailable.
    """
    from cli.newsroom.actions import add_user

    add_user(stack, login, name=name, roles=role, same_person=same_person, json=json)


@users.command("list")
def list_accounts(json: Json = False, stack: Stack = None) -> None:
    """List all accounts.

    Exit status: 0, 2 wrong command line, 4 database unavailable.
    """
    from cli.newsroom.actions import list_users

    list_users(stack, json=json)


@users.command()
def disable(login: Login, json: Json = False, stack: Stack = None) -> None:
    """Disable an account and end its sessions, with immediate effect. Nothing that it did is lost.

    Exit status: 0, 2 wrong command line, 3 there is no such account, 4 database unavailable.
    """
    from cli.newsroom.actions import disable_user

    disable_user(stack, login, json=json)


@users.command()
def reset(login: Login, json: Json = False, stack: Stack = None) -> None:
    """Print a new first password, and forget telephone, recovery codes and sessions.

    A disabled account may log in again.

    Exit status: 0, 2 wrong command line, 3 there is no such account, 4 database unavailable.
    """
    from cli.newsroom.actions import reset_user

    reset_user(stack, login, json=json)

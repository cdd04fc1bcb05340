"""`kreisfunk systems`: registered municipal systems, and their logins at the broker."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import BrokerApiStack, Json

Name = Annotated[str, typer.Argument(help="Its name, which is its login: small letters, digits, - and _.")]
County = Annotated[
    Path | None, typer.Option(help="The county's file; else KREISFUNK_COUNTY_FILE, else deploy/config/county.toml.")
]

app = typer.Typer(no_args_is_help=True)


@app.command()
def add(
    name: Name,
    source: Annotated[list[str], typer.Option("--source", help="Its CloudEvents source; may be repeated.")],
    topics: Annotated[
        list[str], typer.Option("--topic", "--topics", help="It may publish about; repeated, or with commas.")
    ],
    county: County = None,
    json: Json = False,
) -> None:
    """Register a system in the county's file, which the services read when they start. Change its quotas there.

    Exit status: 0, 1 the file cannot be written, 2 wrong command line.
    """
    from cli.systems.registration import add_system

    permitted = [topic.strip() for several in topics for topic in several.split(",")]
    add_system({"name": name, "sources": source, "topics": permitted}, county, as_json=json)


@app.command("list")
def list_systems(json: Json = False, county: County = None, stack: BrokerApiStack = None) -> None:
    """List the registered systems, and which of them have a login at the broker.

    Exit status: 0, 2 wrong command line or settings, 4 broker unavailable or administrator refused.
    """
    from cli.systems.actions import list_all

    list_all(county, stack, as_json=json)


@app.command()
def login(
    name: Name,
    replace: Annotated[bool, typer.Option("--replace", help="A new password for a login that there is.")] = False,
    url: Annotated[bool, typer.Option("--url", help="The whole address with the password in it.")] = False,
    json: Json = False,
    county: County = None,
    stack: BrokerApiStack = None,
) -> None:
    """Create a registered system's login at the broker, and print its password. It is shown only this once.

    The login may publish to the exchange of notices and receive their status. Exit status: 0, 2 wrong command line or
    not registered, 3 it has a login already, 4 broker unavailable or administrator refused.
    """
    from cli.systems.actions import create_login

    create_login(name, county, stack, replace=replace, with_url=url, as_json=json)


@app.command()
def revoke(name: Name, stack: BrokerApiStack = None) -> None:
    """Delete a system's login and close its connections. Its registration stays.

    Exit status: 0, 2 wrong command line, 3 it has no login, 4 broker unavailable or administrator refused.
    """
    from cli.systems.actions import revoke_login

    revoke_login(name, stack)

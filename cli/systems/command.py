"""The commands."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import msgspec
import typer
from yarl import URL

from cli.broker import away_advice, silence_drivers
from cli.management import ManagementApi, open_management
from cli.operate.tables import table
from cli.output import EXIT_AWAY, EXIT_USAGE, console, fail, say
from cli.systems.logins import LoginExists, LoginNotOurs, end_login, make_login
from cli.systems.registering import WrongRegistration, block_of, register
from cli.systems.settings import BROKER_API_URL, Settings, county_file, find_broker, read_county
from shared.municipal.configuration import Configuration
from shared.municipal.systems import System
from shared.outcome import DependencyAway

EXIT_NOTHING = 3
T = TypeVar("T")

Name = Annotated[str, typer.Argument(help="Its name, which is its login: small letters, digits, - and _.")]
County = Annotated[
    Path | None, typer.Option(help="The county's file; else KREISFUNK_COUNTY_FILE, else deploy/config/county.toml.")
]
Stack = Annotated[
    Path | None, typer.Option(help="Folder of a local stack; else KREISFUNK_BROKER_API_URL, else .local/up.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]

app = typer.Typer(
    help="Municipal systems that publish notices: register them, and let them in over AMQP.", no_args_is_help=True
)


@app.command()
def add(
    name: Name,
    source: Annotated[list[str], typer.Option("--source", help="Its CloudEvents source; may be repeated.")],
    topics: Annotated[
        list[str], typer.Option("--topic", "--topics", help="It may publish about; repeated, or with commas.")
    ],
    manages: Annotated[list[str] | None, typer.Option(help="It may change notices of this source, too.")] = None,
    per_hour: Annotated[int, typer.Option(min=0, help="Most notices in any hour.")] = 30,
    per_day: Annotated[int, typer.Option(min=0, help="Most notices in any 24 hours.")] = 100,
    urgent_per_day: Annotated[int, typer.Option(min=0, help="Most urgent ones in any 24 hours.")] = 20,
    county: County = None,
    json: Json = False,
) -> None:
    """Register a system in the county's file, which the services read when they start.

    Exit status: 0, 1 the file cannot be written, 2 wrong command line.
    """
    file = county_file(county, os.environ)
    read_county(file)
    values = {
        "name": name,
        "sources": source,
        "topics": [topic.strip() for several in topics for topic in several.split(",")],
        "manages": manages or [],
        "notices_per_hour": per_hour,
        "notices_per_day": per_day,
        "urgent_per_day": urgent_per_day,
    }
    system = _write(file, values)
    if json:
        say(msgspec.json.encode({"registered": system, "file": str(file)}).decode())
        return
    say(f"registered {name} in {file}")
    console.print(
        "Start notices and subscriptions again, so that they know it. Then `kreisfunk tokens create` lets it in over "
        "HTTP, `kreisfunk systems login` over AMQP.",
        markup=False,
    )


def _write(file: Path, values: dict[str, Any]) -> System:
    try:
        system = msgspec.convert(values, System)
        register(file, system)
    except (msgspec.ValidationError, WrongRegistration) as error:
        fail(f"{values['name']} cannot be registered so: {error}", "The file is as it was.", EXIT_USAGE)
    except OSError as error:
        fail(f"{file}: {error.strerror}", f"Put this into the file where it can be written:\n\n{block_of(system)}")
    return system


@app.command("list")
def list_systems(json: Json = False, county: County = None, stack: Stack = None) -> None:
    """List the registered systems, and which of them have a login at the broker.

    Exit status: 0, 2 wrong command line or settings, 4 broker away or administrator refused.
    """
    settings = find_broker(stack)
    known = _county(settings, county)
    users = _at_broker(settings, lambda api: api.users())
    logins = {user.name for user in users}
    if json:
        found = [{**msgspec.to_builtins(system), "login": system.name in logins} for system in known.systems]
        say(msgspec.json.encode({"systems": found}).decode())
        return
    say(table(("name", "sources", "topics", "an hour", "a day", "urgent", "login"), _rows(known.systems, logins)))


def _rows(systems: Sequence[System], logins: set[str]) -> list[tuple[object, ...]]:
    return [
        (
            *(each.name, ", ".join(each.sources), ", ".join(each.topics)),
            *(each.notices_per_hour, each.notices_per_day, each.urgent_per_day),
            "yes" if each.name in logins else "no",
        )
        for each in systems
    ]


@app.command()
def login(
    name: Name,
    replace: Annotated[bool, typer.Option("--replace", help="A new password for a login that there is.")] = False,
    url: Annotated[bool, typer.Option("--url", help="The whole address with the password in it.")] = False,
    json: Json = False,
    county: County = None,
    stack: Stack = None,
) -> None:
    """Make a registered system's login at the broker, and print its password. This is the only time.

    It may write to the exchange of notices, and hear what becomes of them. Exit status: 0, 2 wrong command line or not
    registered, 3 it has a login already, 4 broker away or administrator refused.
    """
    settings = find_broker(stack)
    known = _county(settings, county)
    if known.system(name) is None:
        registered = ", ".join(system.name for system in known.systems) or "(none)"
        fail(f"There is no system {name}.", f"The county's file has {registered}. See `systems add`.", EXIT_USAGE)
    password = _made(settings, name, replace=replace)
    address = _address(settings.broker_url, name, password)
    if json:
        say(msgspec.json.encode({"login": name, "password": password, "url": address}).decode())
        return
    say(address if url else password)
    console.print(f"Login {name}. It is shown this once: hand it over in confidence.", markup=False)


def _made(settings: Settings, name: str, *, replace: bool) -> str:
    try:
        return _at_broker(settings, lambda api: make_login(api, name, replace=replace))
    except LoginExists:
        fail(
            f"{name} has a login already.",
            "With --replace it gets a new password, and the one that it has ends.",
            EXIT_NOTHING,
        )
    except LoginNotOurs:
        fail(f"{name} administers the broker.", "Register the system under another name.", EXIT_USAGE)


@app.command()
def revoke(name: Name, stack: Stack = None) -> None:
    """End a system's login: its connections are closed. Its registration stays.

    Exit status: 0, 2 wrong command line, 3 it has no login, 4 broker away or administrator refused.
    """
    settings = find_broker(stack)
    if _county(settings, None).system(name) is None:
        fail(f"There is no system {name}.", "See `kreisfunk systems list`.", EXIT_USAGE)
    try:
        ended = _at_broker(settings, lambda api: end_login(api, name))
    except LoginNotOurs:
        fail(f"{name} administers the broker, and is no system's login.", status=EXIT_USAGE)
    if not ended:
        fail(f"{name} has no login.", status=EXIT_NOTHING)
    say(f"revoked {name}")


def _county(settings: Settings, named: Path | None) -> Configuration:
    return read_county(named or settings.county_file or county_file(None, {}))


def _at_broker(settings: Settings, work: Callable[[ManagementApi], Awaitable[T]]) -> T:
    silence_drivers()

    async def ask() -> T:
        api_url, password = str(settings.broker_api_url), settings.broker_password
        async with open_management(api_url, settings.broker_url, password) as api:
            return await work(api)

    try:
        return asyncio.run(ask())
    except DependencyAway as error:
        fail(str(error), f"Check {BROKER_API_URL} and the administrator's password. {away_advice(error)}", EXIT_AWAY)


def _address(broker_url: str, login: str, password: str) -> str:
    url = URL(broker_url)
    vhost = quote(url.path.removeprefix("/") or "/", safe="")
    return f"{url.scheme}://{login}:{quote(password, safe='')}@{url.host}:{url.port}/{vhost}"

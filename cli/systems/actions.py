"""Actions of `kreisfunk systems` at the broker."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec
from yarl import URL

from cli.broker import explain_broker_error, suppress_driver_logs
from cli.operate.tables import format_table
from cli.output import EXIT_REJECTED, EXIT_UNAVAILABLE, EXIT_USAGE, console, fail, say
from cli.rabbitmq_management import ManagementApi, open_management
from cli.systems.logins import LoginExists, NotASystemLogin, create_login, delete_login
from cli.systems.settings import BROKER_API_URL, Settings, find_broker, read_county, resolve_county_file
from shared.notices.configuration import Configuration
from shared.notices.systems import System
from shared.outcome import DependencyUnavailable
from shared.runtime.hosts import split_hosts

T = TypeVar("T")


def list_all(county: Path | None, stack: Path | None, *, as_json: bool) -> None:
    """Print the registered systems and whether each has a login."""
    settings = find_broker(stack)
    known = _read_county(settings, county)
    users = _call_broker(settings, lambda api: api.list_users())
    logins = {user.name for user in users}
    if as_json:
        found = [{**msgspec.to_builtins(system), "login": system.name in logins} for system in known.systems]
        say(msgspec.json.encode({"systems": found}).decode())
        return
    say(
        format_table(
            ("name", "sources", "topics", "an hour", "a day", "urgent", "login"), _build_rows(known.systems, logins)
        )
    )


def _build_rows(systems: Sequence[System], logins: set[str]) -> list[tuple[object, ...]]:
    return [
        (
            *(each.name, ", ".join(each.sources), ", ".join(each.topics)),
            *(each.notices_per_hour, each.notices_per_day, each.urgent_per_day),
            "yes" if each.name in logins else "no",
        )
        for each in systems
    ]


def add_system(
    name: str, county: Path | None, stack: Path | None, *, replace: bool, with_url: bool, as_json: bool
) -> None:
    """Create a system's login, and print the password, or the URL that contains it."""
    settings = find_broker(stack)
    known = _read_county(settings, county)
    if known.find_system(name) is None:
        registered = ", ".join(system.name for system in known.systems) or "(none)"
        fail(f"There is no system {name}.", f"The county's file has {registered}. See `systems add`.", EXIT_USAGE)
    password = _create_login(settings, name, replace=replace)
    address = _build_url(settings.broker_url, name, password)
    if as_json:
        say(msgspec.json.encode({"login": name, "password": password, "url": address}).decode())
        return
    say(address if with_url else password)
    console.print(f"Login {name}. It is shown this once: hand it over in confidence.", markup=False)


def _create_login(settings: Settings, name: str, *, replace: bool) -> str:
    try:
        return _call_broker(settings, lambda api: create_login(api, name, replace=replace))
    except LoginExists:
        fail(
            f"{name} has a login already.",
            "With --replace it gets a new password, and the one that it has ends.",
            EXIT_REJECTED,
        )
    except NotASystemLogin:
        fail(f"{name} administers the broker.", "Register the system under another name.", EXIT_USAGE)


def revoke_system(name: str, stack: Path | None) -> None:
    """Delete a system's login."""
    settings = find_broker(stack)
    if _read_county(settings, None).find_system(name) is None:
        fail(f"There is no system {name}.", "See `kreisfunk systems list`.", EXIT_USAGE)
    try:
        ended = _call_broker(settings, lambda api: delete_login(api, name))
    except NotASystemLogin:
        fail(f"{name} administers the broker, and is no system's login.", status=EXIT_USAGE)
    if not ended:
        fail(f"{name} has no login.", status=EXIT_REJECTED)
    say(f"revoked {name}")


def _read_county(settings: Settings, named: Path | None) -> Configuration:
    return read_county(named or settings.county_file or resolve_county_file(None, {}))


def _call_broker(settings: Settings, work: Callable[[ManagementApi], Awaitable[T]]) -> T:
    suppress_driver_logs()

    async def ask() -> T:
        api_url, password = str(settings.broker_api_url), settings.broker_password
        async with open_management(api_url, settings.broker_url, password) as api:
            return await work(api)

    try:
        return asyncio.run(ask())
    except DependencyUnavailable as error:
        fail(
            str(error),
            f"Check {BROKER_API_URL} and the administrator's password. {explain_broker_error(error)}",
            EXIT_UNAVAILABLE,
        )


def _build_url(broker_url: str, login: str, password: str) -> str:
    url = URL(split_hosts(broker_url)[0])  # other systems' programs take one host
    vhost = quote(url.path.removeprefix("/") or "/", safe="")
    return f"{url.scheme}://{login}:{quote(password, safe='')}@{url.host}:{url.port}/{vhost}"

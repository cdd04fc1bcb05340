"""Actions of `kreisfunk systems` at the broker."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec
from yarl import URL

from cli.broker import explain_broker_error, suppress_driver_logs
from cli.migrate.broker import grant_system_permissions
from cli.output import EXIT_REJECTED, EXIT_UNAVAILABLE, EXIT_USAGE, fail, format_table, note, print_result, say
from cli.rabbitmq_management import ManagementApi, open_management
from cli.settings import (
    BROKER_API_URL,
    BrokerAdminSettings,
    read_county,
    read_installation_settings,
    require_system,
)
from shared.notices.configuration import Configuration, System
from shared.outcome import DependencyUnavailable
from shared.runtime.hosts import split_hosts

PASSWORD_BYTES = 24
REVOKE_ADVICE = "A login is revoked before its block is taken out of that file: put the block back, and revoke again."
T = TypeVar("T")


def list_all(county: Path | None, stack: Path | None, *, as_json: bool) -> None:
    """Print the registered systems and whether each has a login."""
    settings = _read_settings(stack)
    known = _read_county(settings, county)
    logins = {user.name for user in _call_broker(settings, lambda api: api.list_users())}
    found = [{**msgspec.to_builtins(system), "login": system.name in logins} for system in known.systems]
    head = ("name", "sources", "topics", "an hour", "a day", "urgent", "login")
    rows = [_build_row(system, "yes" if system.name in logins else "no") for system in known.systems]
    print_result({"systems": found}, format_table(head, rows), json=as_json)


def _build_row(system: System, login: str) -> tuple[object, ...]:
    quotas = (system.notices_per_hour, system.notices_per_day, system.urgent_per_day)
    return (system.name, ", ".join(system.sources), ", ".join(system.topics), *quotas, login)


def create_login(
    name: str, county: Path | None, stack: Path | None, *, replace: bool, with_url: bool, as_json: bool
) -> None:
    """Create a system's login, and print the password, or the URL that contains it."""
    settings = _read_settings(stack)
    require_system(_read_county(settings, county), name)
    password = _call_broker(settings, lambda api: _create_login(api, name, replace=replace))
    if password is None:
        advice = "With --replace it gets a new password, and the one that it has ends."
        fail(f"{name} has a login already.", advice, EXIT_REJECTED)
    url = _build_url(settings.broker_url, name, password)
    print_result({"login": name, "password": password, "url": url}, url if with_url else password, json=as_json)
    if not as_json:
        note(f"Login {name}. It is shown this once: hand it over in confidence.")


async def _create_login(api: ManagementApi, name: str, *, replace: bool) -> str | None:
    """Create the login and return its password, of which the broker keeps a hash; None if it is not to be replaced.

    Raises DependencyUnavailable.
    """
    if await _has_login(api, name) and not replace:
        return None
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    await api.set_login(name, password)
    await grant_system_permissions(api, name)
    return password


def revoke_login(name: str, stack: Path | None) -> None:
    """Delete a system's login and what it once declared."""
    settings = _read_settings(stack)
    require_system(_read_county(settings, None), name, REVOKE_ADVICE)
    if not _call_broker(settings, lambda api: _delete_login(api, name)):
        fail(f"{name} has no login.", status=EXIT_REJECTED)
    say(f"revoked {name}")


async def _delete_login(api: ManagementApi, name: str) -> bool:
    existed = await _has_login(api, name)
    if existed:
        await api.delete_login(name)
        await api.delete_by_prefix(f"municipal.{name}.")  # systems could declare these before 1.0
    return existed


async def _has_login(api: ManagementApi, name: str) -> bool:
    """Return whether it has one; ends the command if that has management tags, which no municipal system's has."""
    existing = next((user for user in await api.list_users() if user.name == name), None)
    if existing is not None and existing.tags:
        advice = "Register the system under another name."
        fail(f"{name} administers the broker, and is no system's login.", advice, EXIT_USAGE)
    return existing is not None


def _read_settings(stack: Path | None) -> BrokerAdminSettings:
    return read_installation_settings(BrokerAdminSettings, stack, BROKER_API_URL, lambda one: one.addresses.systems)


def _read_county(settings: BrokerAdminSettings, named: Path | None) -> Configuration:
    return read_county(named or settings.county)


def _call_broker(settings: BrokerAdminSettings, work: Callable[[ManagementApi], Awaitable[T]]) -> T:
    suppress_driver_logs()

    async def ask() -> T:
        async with open_management(settings) as api:
            return await work(api)

    try:
        return asyncio.run(ask())
    except DependencyUnavailable as error:
        advice = f"Check {BROKER_API_URL} and the administrator's password. {explain_broker_error(error)}"
        fail(str(error), advice, EXIT_UNAVAILABLE)


def _build_url(broker_url: str, login: str, password: str) -> str:
    url = URL(split_hosts(broker_url)[0])  # other systems' programs take one host
    vhost = quote(url.path.removeprefix("/") or "/", safe="")
    return f"{url.scheme}://{login}:{quote(password, safe='')}@{url.host}:{url.port}/{vhost}"

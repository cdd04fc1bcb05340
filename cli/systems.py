"""`kreisfunk systems`: registered municipal systems, and their logins at the broker."""

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import quote

import msgspec
import typer
from yarl import URL

from cli.broker import explain_broker_error, suppress_driver_logs
from cli.migrate.broker import grant_system_permissions
from cli.options import COUNTY, BrokerApiStack, Json
from cli.output import Exit, fail, format_table, note, print_result, say
from cli.rabbitmq_management import ManagementApi, open_management
from cli.settings import BROKER_API_URL, BrokerAdminSettings, read_county, read_installation_settings, require_system
from deploy.atomic_write import lock_folder, write_secret
from shared.notices.configuration import Configuration, System
from shared.outcome import DependencyUnavailable
from shared.runtime.hosts import split_hosts

PASSWORD_BYTES = 24
REVOKE_ADVICE = "Revoke a login before its block leaves that file: put the block back, and revoke again."
T = TypeVar("T")
Name = Annotated[str, typer.Argument(help="Its name, also its login: lower-case letters, digits, - and _.")]
County = Annotated[
    Path | None, typer.Option(help="The county's file; else KREISFUNK_COUNTY_FILE, else deploy/config/county.toml.")
]
_QUOTAS = ("notices_per_hour", "notices_per_day", "urgent_per_day")

app = typer.Typer(no_args_is_help=True)


@app.command()
def add(
    name: Name,
    source: Annotated[list[str], typer.Option("--source", help="Its CloudEvents source; may be repeated.")],
    topics: Annotated[
        list[str],
        typer.Option("--topic", "--topics", help="Its topics; repeated or comma-separated."),
    ],
    county: County = None,
    json: Json = False,
) -> None:
    """Register a system in the county's file, which the services read when they start. Change its quotas there.

    Exit status: 0, 1 the file cannot be written, 2 wrong command line.
    """
    file = county or Path(os.environ.get("KREISFUNK_COUNTY_FILE") or COUNTY)
    read_county(file)
    permitted = [topic.strip() for option in topics for topic in option.split(",")]
    try:
        system = msgspec.convert({"name": name, "sources": source, "topics": permitted}, System)
        register(file, system)
    except UnicodeEncodeError:
        fail(f"{name}: a source is not UTF-8.", "The file is unchanged.", Exit.USAGE)
    except msgspec.DecodeError as error:
        fail(f"Cannot register {name}: {error}", "The file is unchanged.", Exit.USAGE)
    except OSError as error:
        fail(f"{file}: {error.strerror}", f"Put this into the file where it can be written:\n\n{_render(system)}")
    print_result({"registered": system, "file": str(file)}, f"registered {system.name} in {file}", json=json)
    if not json:
        access = "`kreisfunk tokens create` lets it in over HTTP, `kreisfunk systems login` over AMQP."
        note(f"Restart notices and subscriptions, so that they know it. Then {access}")


def register(file: Path, system: System) -> None:
    """Append the registration. Raises DecodeError or OSError, and then leaves the file unchanged."""
    file = file.resolve()
    with lock_folder(file.parent):
        text = f"{file.read_text('utf-8-sig').rstrip()}\n\n{_render(system)}"
        msgspec.toml.decode(text, type=Configuration)
        write_secret(file, text, mode=file.stat().st_mode & 0o777)


def _render(system: System) -> str:
    """Return the registration in TOML, with its default quotas, ready to be edited."""
    lines = ["[[systems]]", f"name = {_quote(system.name)}"]
    lines += [f"{name} = [{', '.join(map(_quote, getattr(system, name)))}]" for name in ("sources", "topics")]
    return "\n".join((*lines, *(f"{name} = {getattr(system, name)}" for name in _QUOTAS), ""))


def _quote(text: str) -> str:
    return msgspec.json.encode(text).decode()


@app.command("list")
def list_systems(json: Json = False, county: County = None, stack: BrokerApiStack = None) -> None:
    """List the registered systems, and which of them have a login at the broker.

    Exit status: 0, 2 wrong command line or settings, 4 broker unavailable or administrator refused.
    """
    settings = _read_settings(stack)
    systems = read_county(county or settings.county).systems
    logins = {user.name for user in _call_broker(settings, lambda api: api.list_users())}
    described = [{**msgspec.to_builtins(system), "login": system.name in logins} for system in systems]
    head = ("name", "sources", "topics", "an hour", "a day", "urgent", "login")
    rows = []
    for system in systems:
        quotas = (getattr(system, quota) for quota in _QUOTAS)
        login = "yes" if system.name in logins else "no"
        rows.append((system.name, ", ".join(system.sources), ", ".join(system.topics), *quotas, login))
    print_result({"systems": described}, format_table(head, rows), json=json)


@app.command()
def login(
    name: Name,
    replace: Annotated[bool, typer.Option("--replace", help="Set a new password for an existing login.")] = False,
    url: Annotated[bool, typer.Option("--url", help="Print the whole address, password included.")] = False,
    json: Json = False,
    county: County = None,
    stack: BrokerApiStack = None,
) -> None:
    """Create a registered system's login at the broker, and print its password. It is shown only this once.

    The login may publish to the exchange of notices and receive their status. Exit status: 0, 2 wrong command line or
    not registered, 3 it has a login already, 4 broker unavailable or administrator refused.
    """
    settings = _read_settings(stack)
    require_system(read_county(county or settings.county), name)
    password = secrets.token_urlsafe(PASSWORD_BYTES)  # the broker stores only its hash
    if not _call_broker(settings, lambda api: _create_login(api, name, password, replace=replace)):
        advice = "--replace sets a new password; the current one stops working."
        fail(f"{name} has a login already.", advice, Exit.REJECTED)
    address = build_url(settings.broker_url, name, password)
    print_result({"login": name, "password": password, "url": address}, address if url else password, json=json)
    if not json:
        note(f"Login {name}. It is shown only now: hand it over confidentially.")


async def _create_login(api: ManagementApi, name: str, password: str, *, replace: bool) -> bool:
    """Create the login; return False if one exists and `replace` is not set. Raises DependencyUnavailable."""
    if await _has_login(api, name) and not replace:
        return False
    await api.set_login(name, password)
    await grant_system_permissions(api, name)
    return True


@app.command()
def revoke(name: Name, stack: BrokerApiStack = None) -> None:
    """Delete a system's login and close its connections. Its registration stays.

    Exit status: 0, 2 wrong command line, 3 it has no login, 4 broker unavailable or administrator refused.
    """
    settings = _read_settings(stack)
    require_system(read_county(settings.county), name, REVOKE_ADVICE)
    if not _call_broker(settings, lambda api: _delete_login(api, name)):
        fail(f"{name} has no login.", status=Exit.REJECTED)
    say(f"revoked {name}")


async def _delete_login(api: ManagementApi, name: str) -> bool:
    existed = await _has_login(api, name)
    if existed:
        await api.delete_login(name)
    return existed


async def _has_login(api: ManagementApi, name: str) -> bool:
    """Return whether the login exists; ends the command if it has management tags, as no municipal system's has."""
    existing = next((user for user in await api.list_users() if user.name == name), None)
    if existing is not None and existing.tags:
        advice = "Register the system under another name."
        fail(f"{name} administers the broker and is not a system's login.", advice, Exit.USAGE)
    return existing is not None


def _read_settings(stack: Path | None) -> BrokerAdminSettings:
    return read_installation_settings(BrokerAdminSettings, stack, BROKER_API_URL, lambda local: local.systems)


def _call_broker(settings: BrokerAdminSettings, work: Callable[[ManagementApi], Awaitable[T]]) -> T:
    suppress_driver_logs()

    async def ask() -> T:
        async with open_management(settings) as api:
            return await work(api)

    try:
        return asyncio.run(ask())
    except DependencyUnavailable as error:
        advice = f"Check {BROKER_API_URL} and the administrator's password. {explain_broker_error(error)}"
        fail(str(error), advice, Exit.UNAVAILABLE)


def build_url(broker_url: str, login: str, password: str) -> str:
    url = URL(split_hosts(broker_url)[0])  # other systems' programs take one host
    vhost = quote(url.path.removeprefix("/") or "/", safe="")
    return f"{url.scheme}://{login}:{quote(password, safe='')}@{url.host_port_subcomponent}/{vhost}"

"""The installation to check: its kinds of process, their environment and settings, and their addresses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsError

from cli.doctor.findings import DoctorProblem
from cli.output import Exit, fail
from cli.settings import BROKER_API_URL, MigrationSettings
from cli.stacks import BROKER_URL, DATABASE_URL, find_stack, use_environment
from deploy.paths import CONFIG
from deploy.stack_file import BUSINESS_ACCOUNT_ID, Environment, StackAddresses
from services.dispatcher.settings import Settings as Dispatcher
from services.ingress.notices.settings import Settings as Notices
from services.ingress.settings import Settings as Ingress
from services.newsroom.settings import Settings as Newsroom
from services.subscriptions.settings import Settings as Subscriptions
from shared.runtime.hosts import get_login, replace_login
from shared.runtime.settings import PREFIX, SECRETS_DIR, BrokerAccess, explain, find_secrets_folder


@dataclass(frozen=True, kw_only=True)
class ProcessKind:
    """A kind of process; `role` None: it has no access to the database."""

    settings: type[BaseSettings]
    login: str
    role: str | None = None


PROCESS_KINDS: Mapping[str, ProcessKind] = {
    "ingress": ProcessKind(settings=Ingress, login="ingress"),
    "notices": ProcessKind(settings=Notices, login="notices"),
    "subscriptions": ProcessKind(settings=Subscriptions, login="subscriptions", role="kreisfunk_subscriptions"),
    "dispatcher": ProcessKind(settings=Dispatcher, login="dispatcher", role="kreisfunk_dispatcher"),
    "newsroom": ProcessKind(settings=Newsroom, login="newsroom", role="kreisfunk_newsroom"),
    "pressestelle": ProcessKind(settings=BrokerAccess, login="pressestelle"),
    "admin": ProcessKind(settings=MigrationSettings, login="kreisfunk_admin", role="kreisfunk_owner"),
}


@dataclass(frozen=True, kw_only=True)
class Installation:
    """An installation; `processes` has the environment of each kind of process found, `environment` what they share.

    `ingress_url` and `ready_urls` None: derive them from the processes' settings. `other_ready_urls` are probes of
    processes whose environment is not known here.
    """

    processes: Mapping[str, Environment] = field(repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    ingress_url: str | None = None
    ready_urls: Mapping[str, str] | None = None
    other_ready_urls: tuple[str, ...] = ()
    business_account: str | None = None
    database_standbys: int = 0
    county_file: Path = CONFIG / "county.toml"
    templates_file: Path = CONFIG / "templates.json"


def build_from_stack(addresses: StackAddresses) -> Installation:
    """Describe a local stack, with the environments that its processes were started with."""
    return Installation(
        processes={**addresses.processes, "pressestelle": addresses.publisher},
        ingress_url=addresses.ingress_url,
        ready_urls=_list_ready_urls(addresses),
        business_account=BUSINESS_ACCOUNT_ID,
        county_file=Path(addresses.tokens["KREISFUNK_COUNTY_FILE"]),
    )


def _list_ready_urls(addresses: StackAddresses) -> dict[str, str]:
    ours = {name: url for name, url in addresses.metrics_urls.items() if name.rpartition("-")[0] in PROCESS_KINDS}
    ready = {name: f"{url.removesuffix('/metrics')}/readyz" for name, url in ours.items()}
    return {**ready, "simulator": f"{addresses.simulator_url}/readyz"}


def find_processes(environment: Mapping[str, str]) -> dict[str, Environment]:
    """Derive process environments from one environment: its own process, or every process with a folder of secrets.

    The environment belongs to the process whose broker login it has; with any other login and RabbitMQ's management
    interface, to an administrator. With folders, login and role in the URLs are replaced by each process's own.
    """
    ours = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    folder = Path(ours[SECRETS_DIR]) if ours.get(SECRETS_DIR) else None
    kinds = {name: kind for name, kind in PROCESS_KINDS.items() if folder and (folder / name).is_dir()}
    if folder and kinds:
        return {name: _build_environment(ours, kind, folder / name) for name, kind in kinds.items()}
    login = get_login(ours.get(BROKER_URL, ""))
    matching = {name: ours for name, kind in PROCESS_KINDS.items() if kind.login == login}
    return matching or ({"admin": ours} if login and ours.get(BROKER_API_URL) else {})


def _build_environment(environment: Mapping[str, str], kind: ProcessKind, folder: Path) -> Environment:
    own = {**environment, SECRETS_DIR: str(folder)}
    for name, user in ((BROKER_URL, kind.login), (DATABASE_URL, kind.role)):
        if own.get(name) and user:
            own[name] = replace_login(own[name], user)
    return own


def read_all_settings(processes: Mapping[str, Mapping[str, str]]) -> dict[str, BaseSettings | DoctorProblem]:
    """Return settings, or the problem with them, by kind of process."""
    return {name: _read(PROCESS_KINDS[name].settings, environment) for name, environment in processes.items()}


def _read(kind: type[BaseSettings], environment: Mapping[str, str]) -> BaseSettings | DoctorProblem:
    with use_environment(environment):
        try:
            return kind(_secrets_dir=find_secrets_folder())
        except (ValidationError, SettingsError) as error:
            problems = [line.strip() for line in explain(error, kind).splitlines() if line.startswith("  ")]
    return DoctorProblem("; ".join(problems), "Set each as a variable, or as a file in its secrets folder.")


def find_installation(stack: Path | None, environment: Mapping[str, str]) -> Installation:
    """Return the installation of the environment, else a local stack; ends the command with status 2 without any."""
    processes = {} if stack else find_processes(environment)
    if processes:
        return Installation(processes=processes, environment=environment)
    running = find_stack(stack, environment)
    if running is None:
        logins = ", ".join(kind.login for kind in PROCESS_KINDS.values())
        fail("The login in KREISFUNK_BROKER_URL is none of ours.", f"Ours are {logins}.", Exit.USAGE)
    return build_from_stack(running)

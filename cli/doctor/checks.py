"""The command `kreisfunk doctor`, and the list of all its checks."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer
from pydantic_settings import BaseSettings

from cli.broker import suppress_driver_logs
from cli.doctor import servers
from cli.doctor.findings import Check, DoctorProblem, build_json, format_text, run_checks
from cli.doctor.graph_api import check_ca_file, check_number, check_template, list_expected, read_definitions
from cli.doctor.installation import PROCESS_KINDS, Installation, find_installation, read_all_settings
from cli.migrate.database import SCHEMAS
from cli.options import COUNTY, TEMPLATES, CountyFile, Json, TemplatesFile
from cli.output import Exit, print_result, show_status
from cli.settings import MigrationSettings
from cli.setup.run import MetaSettings
from deploy.secrets import FILES
from services.dispatcher.settings import Settings as Dispatcher
from services.feeds.settings import Settings as Feeds
from services.ingress.settings import Settings as Ingress
from services.subscriptions.domain.county import County
from shared.amqp import topology
from shared.notices.configuration import ConfigurationError, read_configuration
from shared.runtime.settings import (
    PREFIX,
    SECRETS_DIR,
    BrokerAccess,
    DatabaseAccess,
    EnvironmentSettings,
    ServiceSettings,
)

LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - a process on all interfaces also answers there
CA_FILE = "SSL_CERT_FILE"
# Settings that only docker-compose.yml or a command-line option reads.
OTHER_NAMES = (
    *("IMAGE", "BACKUPS", "SECRETS_DIR", "INGRESS_PORT", "SIMULATOR_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT"),
    *("EDGE_HOST", "EDGE_HTTP_PORT", "EDGE_INGRESS", "EDGE_TLS"),
)
_SECRET_FILES = {PurePosixPath(file).name for file in FILES}
KnownSettings = Mapping[str, BaseSettings]


def doctor(
    stack: Annotated[Path | None, typer.Option(help="Folder of a local stack.")] = None,
    business_account: Annotated[
        str | None, typer.Option(envvar="KREISFUNK_WABA_ID", help="Id of the WhatsApp Business account.")
    ] = None,
    ingress_url: Annotated[str | None, typer.Option(help="Where the webhook is reached from outside.")] = None,
    ready_url: Annotated[
        list[str] | None, typer.Option(help="/readyz of another process that must be ready; may be repeated.")
    ] = None,
    county: CountyFile = COUNTY,
    templates: TemplatesFile = TEMPLATES,
    standbys: Annotated[
        int, typer.Option(envvar="KREISFUNK_DATABASE_STANDBYS", min=0, help="Synchronous standbys of the database.")
    ] = 0,
    json: Json = False,
) -> None:
    """Check an installation, and give advice on each problem.

    The installation is taken from the environment: the process whose login KREISFUNK_BROKER_URL names, or every process
    that has a folder in KREISFUNK_SECRETS_DIR. Without these it is the running local stack. Nothing is changed.
    """
    detected = find_installation(stack, os.environ)
    installation = replace(
        detected,
        business_account=business_account or detected.business_account,
        ingress_url=ingress_url or detected.ingress_url,
        other_ready_urls=tuple(ready_url or ()),
        county_file=detected.county_file if county == COUNTY else county,
        templates_file=templates,
        database_standbys=standbys,
    )
    suppress_driver_logs()
    checks = build_checks(installation)
    with show_status(f"{len(checks)} checks"):
        findings = asyncio.run(run_checks(checks))
    print_result(build_json(findings), format_text(findings), json=json)
    if any(finding.problem for finding in findings):
        raise typer.Exit(Exit.FAILED)


def build_checks(installation: Installation) -> list[Check]:
    """Return every check that the readable settings permit; unreadable settings are problems themselves."""
    read = read_all_settings(installation.processes)
    known = {name: settings for name, settings in read.items() if isinstance(settings, BaseSettings)}
    return [
        Check("names of settings", partial(check_names, installation.environment)),
        *(_build_known(f"settings of {name}", result) for name, result in read.items()),
        *_build_broker_checks(known),
        *_build_database_checks(known, installation.database_standbys),
        *_build_graph_checks(installation, known),
        *_build_webhook_check(installation, known),
        *_build_probe_checks(installation, known),
    ]


def _build_broker_checks(known: KnownSettings) -> Iterator[Check]:
    accesses = {name: settings for name, settings in known.items() if isinstance(settings, BrokerAccess)}
    for name, access in accesses.items():
        login = access.login or PROCESS_KINDS[name].login
        yield Check(f"broker login {login}", partial(servers.check_login, access))
    if isinstance(admin := known.get("admin"), MigrationSettings):
        yield Check("queue arguments", partial(servers.check_queue_arguments, admin))
    for access in list(accesses.values())[:1]:
        yield Check("broker topology", partial(servers.check_login, access, servers.check_topology))
        yield Check("dead-letter queues", partial(servers.check_login, access, servers.check_dead_letters))
    retrying = {queue.owner: queue.retry_exchange for queue in topology.QUEUES if queue.owner in accesses}
    for owner, exchange in list(retrying.items())[:1]:
        yield Check("broker takes messages", partial(servers.check_publishing, accesses[owner], exchange))


def _build_database_checks(known: KnownSettings, standbys: int) -> Iterator[Check]:
    for name, settings in known.items():
        if not isinstance(settings, DatabaseAccess):
            continue
        role = PROCESS_KINDS[name].role
        checks: dict[str, servers.DatabaseCheck] = {f"database role {role}": servers.check_connection}
        if name in SCHEMAS:
            checks[f"rights of {role}"] = partial(servers.check_rights, name)
            checks[f"migrations of {name}"] = partial(servers.check_migrations, name)
        if name == "subscriptions":
            checks["dead letters"] = servers.check_kept_letters
        if standbys:
            checks[f"standbys, seen by {role}"] = partial(servers.check_standbys, standbys)
        for title, check in checks.items():
            yield Check(title, partial(servers.check_database, settings, check))


def _build_graph_checks(installation: Installation, known: KnownSettings) -> Iterator[Check]:
    if path := installation.environment.get(CA_FILE):
        yield Check(f"certificates of {CA_FILE}", partial(check_ca_file, path))
    settings = known.get("dispatcher")
    if isinstance(settings, Dispatcher):
        yield Check("Graph API token", partial(check_number, settings))
        yield from _build_template_checks(installation, settings)


def _build_template_checks(installation: Installation, settings: Dispatcher) -> Iterator[Check]:
    account = installation.business_account
    if account is None:
        advice = "Give --business-account or set KREISFUNK_WABA_ID."
        yield _build_known("templates", DoctorProblem("the id of the WhatsApp Business account is not known", advice))
        return
    try:
        topics = read_configuration(installation.county_file, County).topics
        definitions = read_definitions(installation.templates_file)
    except ConfigurationError as error:
        yield _build_known("templates", DoctorProblem(str(error), "Correct the file, or name another one."))
        return
    for topic in topics:
        for expected in list_expected(topic):
            name = f"template of {topic.id}{' with a picture' if expected.picture else ''}"
            yield Check(name, partial(check_template, settings, account, expected, definitions))


def _build_webhook_check(installation: Installation, known: KnownSettings) -> Iterator[Check]:
    settings = known.get("ingress")
    url = installation.ingress_url
    if url is None and isinstance(settings, Ingress):
        url = f"http://{_resolve_host(settings.listen_host)}:{settings.listen_port}"
    if url is not None:
        yield Check("webhook refuses unsigned", partial(servers.check_webhook, f"{url.rstrip('/')}/webhook"))


def _build_probe_checks(installation: Installation, known: KnownSettings) -> Iterator[Check]:
    urls = installation.ready_urls
    if urls is None:
        running = {name: settings for name, settings in known.items() if isinstance(settings, ServiceSettings)}
        urls = {
            name: f"http://{_resolve_host(settings.internal_host)}:{settings.internal_port}/readyz"
            for name, settings in running.items()
        }
    others = {url.partition("://")[2].partition("/")[0] or url: url for url in installation.other_ready_urls}
    for name, url in (*urls.items(), *others.items()):
        yield Check(f"{name} is ready", partial(servers.check_ready, url))


def _resolve_host(host: str) -> str:
    return LOOPBACK_OF.get(host, host)


def _build_known(name: str, value: object) -> Check:
    """Return a check with a known result: `value` if that is a problem."""

    async def report() -> DoctorProblem | None:
        return value if isinstance(value, DoctorProblem) else None

    return Check(name, report)


def list_known_names() -> set[str]:
    """Return the names of all settings that are read anywhere."""
    # Two are listed so that their modules are imported; all others are imported anyway.
    kinds: list[type[EnvironmentSettings]] = [EnvironmentSettings, MetaSettings, Feeds]
    names = set(OTHER_NAMES)
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        names |= {name.upper() for name in kind.model_fields}
    return {f"{PREFIX}{name}" for name in names}


async def check_names(environment: Mapping[str, str]) -> DoctorProblem | None:
    """Return a problem if a name looks like a setting but is none, or a secret has two sources. Reveals no value."""
    known = list_known_names()
    if unknown := sorted(name for name in environment if name.startswith(PREFIX) and name not in known):
        similar = {name: get_close_matches(name, known, 1, cutoff=0.8) for name in unknown}
        guesses = "; ".join(f"{name}: did you mean {names[0]}?" for name, names in similar.items() if names)
        advice = "docs/guides/operators.md lists all settings."
        return DoctorProblem(f"nothing reads {', '.join(unknown)}", f"{guesses} {advice}".strip())
    if duplicates := sorted(name for name in environment if name in known and _has_file(environment, name)):
        advice = "Remove it from .env: containers use the file only, so this check used another value."
        return DoctorProblem(f"{', '.join(duplicates)}: both a variable and a file", advice)
    return None


def _has_file(environment: Mapping[str, str], name: str) -> bool:
    """Return whether any process in a container gets a file for this secret."""
    folder = environment.get(SECRETS_DIR, "")
    return bool(folder) and (name.lower() in _SECRET_FILES or any(Path(folder).glob(f"**/{name.lower()}")))

"""The list of all checks."""

from collections.abc import Iterator, Mapping
from functools import partial

import msgspec
from pydantic_settings import BaseSettings
from yarl import URL

from cli.doctor import servers
from cli.doctor.findings import Check, DoctorProblem
from cli.doctor.graph_api import GraphClient, check_ca_file, list_expected_templates, read_definitions
from cli.doctor.installation import PROCESS_KINDS, Installation, read_all_settings
from cli.doctor.setting_names import check_names
from cli.migrate.database import SCHEMAS
from cli.settings import MigrationSettings
from services.dispatcher.settings import Settings as Dispatcher
from services.ingress.settings import Settings as Ingress
from services.subscriptions.domain.county import County
from shared.notices.configuration import ConfigurationError, read_configuration
from shared.runtime.settings import BrokerAccess, DatabaseAccess, ServiceSettings

LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - a process on all interfaces answers there
CA_FILE = "SSL_CERT_FILE"
KnownSettings = Mapping[str, BaseSettings]


def build_checks(installation: Installation) -> list[Check]:
    """Return every check that the readable settings permit; unreadable settings are problems themselves."""
    read = read_all_settings(installation.processes)
    known = {name: settings for name, settings in read.items() if isinstance(settings, BaseSettings)}
    return [
        Check("names of settings", partial(check_names, installation.environment)),
        *_build_settings_checks(read),
        *_build_broker_checks(known),
        *_build_database_checks(known, installation.database_standbys),
        *_build_graph_checks(installation, known),
        *_build_webhook_check(installation, known),
        *_build_probe_checks(installation, known),
    ]


def _build_settings_checks(read: Mapping[str, BaseSettings | DoctorProblem]) -> Iterator[Check]:
    for name, found in read.items():
        yield Check(f"settings of {name}", partial(_report_known, found if isinstance(found, DoctorProblem) else None))


def _build_broker_checks(known: KnownSettings) -> Iterator[Check]:
    accesses = {name: found for name, found in known.items() if isinstance(found, BrokerAccess)}
    for name, access in accesses.items():
        login = access.login or PROCESS_KINDS[name].login
        yield Check(f"broker login {login}", partial(servers.check_login, access))
    if isinstance(admin := known.get("admin"), MigrationSettings):
        yield Check("queue arguments", partial(servers.check_queue_arguments, admin))
    for access in list(accesses.values())[:1]:
        yield Check("broker topology", partial(servers.check_login, access, servers.check_topology))
        yield Check("dead-letter queues", partial(servers.check_login, access, servers.check_dead_letters))


def _build_database_checks(known: KnownSettings, standbys: int) -> Iterator[Check]:
    for name, settings in known.items():
        if not isinstance(settings, DatabaseAccess):
            continue
        role = PROCESS_KINDS[name].role
        looks: dict[str, servers.DatabaseCheck] = {f"database role {role}": servers.check_connection}
        if name in SCHEMAS:
            looks[f"rights of {role}"] = partial(servers.check_rights, name)
            looks[f"migrations of {name}"] = partial(servers.check_migrations, name)
        if name == "subscriptions":
            looks["dead letters"] = servers.check_kept_letters
        if standbys:
            looks[f"standbys, seen by {role}"] = partial(servers.check_standbys, standbys)
        for title, look in looks.items():
            yield Check(title, partial(servers.check_database, settings, look))


def _build_graph_checks(installation: Installation, known: KnownSettings) -> Iterator[Check]:
    if path := installation.environment.get(CA_FILE):
        yield Check(f"certificates of {CA_FILE}", partial(check_ca_file, path))
    settings = known.get("dispatcher")
    if isinstance(settings, Dispatcher):
        client = GraphClient(settings=settings)
        yield Check("Graph API token", client.check_number)
        yield from _build_template_checks(installation, client)


def _build_template_checks(installation: Installation, client: GraphClient) -> Iterator[Check]:
    account = installation.business_account
    if account is None:
        advice = "Give --business-account or set KREISFUNK_WABA_ID."
        problem = DoctorProblem("the id of the WhatsApp Business account is not known", advice)
        yield Check("templates", partial(_report_known, problem))
        return
    try:
        topics = read_configuration(installation.county_file, County).topics
        definitions = read_definitions(installation.templates_file)
    except (ConfigurationError, OSError, msgspec.DecodeError) as error:
        problem = DoctorProblem(str(error), "Correct the file, or name another one.")
        yield Check("templates", partial(_report_known, problem))
        return
    for topic in topics:
        for wanted in list_expected_templates(topic):
            name = f"template of {topic.id}{' with a picture' if wanted.picture else ''}"
            yield Check(name, partial(client.check_template, account, wanted, definitions))


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
        running = {name: found for name, found in known.items() if isinstance(found, ServiceSettings)}
        urls = {
            name: f"http://{_resolve_host(found.internal_host)}:{found.internal_port}/readyz"
            for name, found in running.items()
        }
    others = {URL(url).authority: url for url in installation.other_ready_urls}
    for name, url in (*urls.items(), *others.items()):
        yield Check(f"{name} is ready", partial(servers.check_ready, url))


def _resolve_host(host: str) -> str:
    return LOOPBACK_OF.get(host, host)


async def _report_known(problem: DoctorProblem | None) -> DoctorProblem | None:
    return problem

"""Every check there is, in one place."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial

import msgspec
from pydantic_settings import BaseSettings

from cli.doctor import broker, database, http
from cli.doctor.findings import Check, Problem
from cli.doctor.graph import GraphClient, read_definitions, wanted_for
from cli.doctor.installation import Installation
from cli.doctor.kinds import KINDS
from cli.doctor.settings import read_all
from cli.migrate.database import SCHEMAS
from cli.migrate.settings import Settings as Admin
from cli.publish.settings import Settings as Publisher
from services.dispatcher.settings import Settings as Dispatcher
from services.ingress.settings import Settings as Ingress
from services.subscriptions.domain.county import County
from services.subscriptions.settings import Settings as Subscriptions
from shared.municipal.file import ConfigurationFileError, read_configuration
from shared.runtime.settings import ServiceSettings

LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - where a process on all interfaces answers
Known = Mapping[str, BaseSettings]


def all_checks(installation: Installation) -> list[Check]:
    """What can be looked at with the settings that could be read; those that could not are problems themselves."""
    read = read_all(installation.processes)
    known = {name: settings for name, settings in read.items() if isinstance(settings, BaseSettings)}
    return [
        *_settings(read),
        *_broker(known),
        *_database(known),
        *_graph(installation, known),
        *_webhook(installation, known),
        *_probes(installation, known),
    ]


def _settings(read: Mapping[str, BaseSettings | Problem]) -> Iterator[Check]:
    for name, found in read.items():
        yield Check(f"settings of {name}", _always(found if isinstance(found, Problem) else None))


def _broker(known: Known) -> Iterator[Check]:
    accesses = {name: access for name, settings in known.items() if (access := _broker_access(settings))}
    for name, (url, password) in accesses.items():
        yield Check(f"broker login {KINDS[name].login}", partial(broker.check_login, url, password))
    if accesses:
        url, password = next(iter(accesses.values()))
        yield Check("broker topology", broker.inventory_check(url, password, broker.judge_topology))
        yield Check("dead letters", broker.inventory_check(url, password, broker.judge_dead_letters))


def _broker_access(settings: BaseSettings) -> tuple[str, str | None] | None:
    match settings:
        case ServiceSettings() | Publisher():
            return settings.broker_url, settings.broker_secret
        case Admin():
            return settings.broker_url, settings.broker_password.get_secret_value()
        case _:
            return None


def _database(known: Known) -> Iterator[Check]:
    for name, settings in known.items():
        access = _database_access(settings)
        if access is None:
            continue
        check = partial(database.database_check, *access)
        yield Check(f"database role {KINDS[name].role}", check(database.look_alive))
        if name in SCHEMAS:
            yield Check(f"rights of {KINDS[name].role}", check(database.look_at_rights(name)))
            yield Check(f"migrations of {name}", check(database.look_at_migrations(name)))


def _database_access(settings: BaseSettings) -> tuple[str, str | None] | None:
    match settings:
        case Dispatcher() | Subscriptions() | Admin():
            password = settings.database_password
            return settings.database_url, password.get_secret_value() if password else None
        case _:
            return None


def _graph(installation: Installation, known: Known) -> Iterator[Check]:
    settings = known.get("dispatcher")
    if isinstance(settings, Dispatcher):
        client = GraphClient(settings=settings)
        yield Check("Graph API token", client.check_number)
        yield from _templates(installation, client)


def _templates(installation: Installation, client: GraphClient) -> Iterator[Check]:
    account = installation.business_account
    if account is None:
        advice = "Give --business-account or set KREISFUNK_WABA_ID."
        yield Check("templates", _always(Problem("the id of the WhatsApp Business account is not known", advice)))
        return
    try:
        topics = read_configuration(installation.county_file, County).topics
        definitions = read_definitions(installation.templates_file)
    except (ConfigurationFileError, OSError, msgspec.DecodeError) as error:
        yield Check("templates", _always(Problem(str(error), "Correct the file, or name another one.")))
        return
    for topic in topics:
        for wanted in wanted_for(topic):
            name = f"template of {topic.id}{' with a picture' if wanted.picture else ''}"
            yield Check(name, partial(client.check_template, account, wanted, definitions))


def _webhook(installation: Installation, known: Known) -> Iterator[Check]:
    settings = known.get("ingress")
    url = installation.ingress_url
    if url is None and isinstance(settings, Ingress):
        url = f"http://{_reachable(settings.listen_host)}:{settings.listen_port}"
    if url is not None:
        yield Check("webhook refuses unsigned", partial(http.check_webhook, f"{url.rstrip('/')}/webhook"))


def _probes(installation: Installation, known: Known) -> Iterator[Check]:
    urls = installation.ready_urls
    if urls is None:
        services = {name: found for name, found in known.items() if isinstance(found, ServiceSettings)}
        urls = {
            name: f"http://{_reachable(found.internal_host)}:{found.internal_port}/readyz"
            for name, found in services.items()
        }
    for name, url in urls.items():
        yield Check(f"{name} is ready", partial(http.check_ready, url))


def _reachable(host: str) -> str:
    return LOOPBACK_OF.get(host, host)


def _always(problem: Problem | None) -> Callable[[], Awaitable[Problem | None]]:
    async def look() -> Problem | None:
        return problem

    return look

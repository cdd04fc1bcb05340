"""Choice of the transport: the one on the command line, else the one in the environment."""

from collections.abc import Mapping
from pathlib import Path

from cli.broker import suppress_driver_logs
from cli.output import EXIT_USAGE, fail
from cli.publish.amqp_client import AmqpClient
from cli.publish.transports import HttpTransport, Transport
from cli.settings import COUNTY_FILE, AmqpPublisherSettings, HttpPublisherSettings, normalize_url
from cli.stacks import BROKER_URL, DEFAULT_FOLDERS, find_stack, read_settings_from
from deploy.local.errors import LocalError
from deploy.local.stack_file import StackAddresses, find_running_stack
from shared.runtime.settings import PREFIX

NOTICES_API_URL = f"{PREFIX}NOTICES_API_URL"
NOTICES_API_TOKEN = f"{PREFIX}NOTICES_API_TOKEN"


def choose_transport(
    url: str | None, stack: Path | None, source: str | None, environment: Mapping[str, str]
) -> Transport:
    """Return HTTP to `url`; else AMQP to the broker of `stack` or the environment; else HTTP to the environment's URL.

    Ends the command with status 2 if a required setting is missing.
    """
    if url is not None:
        return _build_http_transport(_add_token(_check_url(url), stack, environment), source)
    if stack is None and environment.get(NOTICES_API_URL) and not environment.get(BROKER_URL):
        return _build_http_transport(_add_token(environment[NOTICES_API_URL], None, environment), source)
    return _build_amqp_transport(stack, source, environment)


def _build_amqp_transport(folder: Path | None, source: str | None, environment: Mapping[str, str]) -> AmqpClient:
    suppress_driver_logs()
    stack = find_stack(folder, environment)
    own = {name: value for name, value in environment.items() if name == COUNTY_FILE}
    known = {**stack.addresses.publisher, **own} if stack else environment
    settings = read_settings_from(known, AmqpPublisherSettings)
    return AmqpClient(settings=settings, source=source or settings.source_or_default)


def _build_http_transport(environment: Mapping[str, str], source: str | None) -> HttpTransport:
    settings = read_settings_from(environment, HttpPublisherSettings)
    return HttpTransport(settings=settings, source=source or settings.source or "")


def _check_url(url: str) -> str:
    try:
        return normalize_url(url)
    except ValueError as error:
        fail(f"--url: {error}", status=EXIT_USAGE)


def _add_token(url: str, folder: Path | None, environment: Mapping[str, str]) -> dict[str, str]:
    """Add the token of a local stack, but only if `url` is the address of that stack's notices API."""
    known = {**environment, NOTICES_API_URL: url}
    if folder is None and (environment.get(NOTICES_API_TOKEN) or environment.get(f"{PREFIX}SECRETS_DIR")):
        return known
    for stack in map(_find_stack, (folder,) if folder else DEFAULT_FOLDERS):
        if stack is not None and stack.notices_api_url == url:
            return {**known, **stack.publisher}
    return known


def _find_stack(folder: Path) -> StackAddresses | None:
    """Return the running stack; None also for one of another version, as only its token is wanted here."""
    try:
        return find_running_stack(folder)
    except LocalError:
        return None
